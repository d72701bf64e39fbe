/*
 * Entry from a PVH loader or from a multiboot2 one (GRUB): 32-bit protected
 * mode, paging off, interrupts off, ebx = physical address of what the loader
 * says; with multiboot2, eax = 0x36d76289.  Switches to 64-bit mode with an
 * identity map of the first GiB (2 MiB pages), which paging.c replaces, and
 * calls boot_main(ebx, eax) on the boot stack.
 *
 * The early tables lie at the bottom of the boot stack: nothing reaches that
 * deep before they are replaced.  Once the application runs on its own stack,
 * the boot stack serves the fault handlers.
 */

#define EARLY_PML4 __boot_stack_bottom
#define EARLY_PDPT __boot_stack_bottom + 4096
#define EARLY_PD __boot_stack_bottom + 8192

#define PRESENT_WRITABLE 3
#define LARGE_PAGE 0x80

#define CR0_ON 0x80010023      /* PG, WP, NE, MP, PE */
#define CR0_OFF 0x0000000c     /* EM, TS */
#define CR4_ON 0x00000620      /* PAE, OSFXSR, OSXMMEXCPT */
#define LAST_LEAF 0x80000000   /* CPUID: the last of its kind */
#define FEATURES_LEAF 0x80000001
#define FEATURES_NEEDED 0x20100000 /* in EDX: LM, NX */
#define SERIAL_DATA 0x3f8
#define SERIAL_STATUS 0x3fd
#define SERIAL_READY 0x20
#define DEBUG_EXIT 0x501
#define STATUS_PANIC 126

#define MSR_EFER 0xc0000080
#define EFER_ON 0x00000900     /* NXE, LME */

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18             /* name size, descriptor size, PHYS32_ENTRY */
    .asciz "Xen"
    .quad _start

    /* Multiboot2 specification 2.0, section 3.1: in the first 32 KiB. */
#define MULTIBOOT_MAGIC 0xe85250d6
    .section .text.boot, "ax"
    .balign 8
multiboot:
    .long MULTIBOOT_MAGIC, 0, multiboot_end - multiboot
    .long -(MULTIBOOT_MAGIC + multiboot_end - multiboot)
    .word 0, 0                 /* no more tags: entry is the file's */
    .long 8
multiboot_end:

    .code32
    .globl _start
_start:
    cld
    movl %eax, %ebp
    movl %ebx, %edi
    movl $LAST_LEAF, %eax
    cpuid
    cmpl $FEATURES_LEAF, %eax
    jb unfit
    movl $FEATURES_LEAF, %eax
    cpuid
    andl $FEATURES_NEEDED, %edx
    cmpl $FEATURES_NEEDED, %edx
    jne unfit
    movl %edi, %ebx
    movl $EARLY_PDPT + PRESENT_WRITABLE, EARLY_PML4
    movl $EARLY_PD + PRESENT_WRITABLE, EARLY_PDPT
    movl $EARLY_PD, %edx
    movl $PRESENT_WRITABLE + LARGE_PAGE, %eax
    movl $512, %ecx
1:  movl %eax, (%edx)
    addl $0x200000, %eax
    addl $8, %edx
    loop 1b

    movl $EARLY_PML4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $CR4_ON, %eax
    movl %eax, %cr4
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_ON, %eax
    wrmsr
    movl %cr0, %eax
    andl $~CR0_OFF, %eax
    orl $CR0_ON, %eax
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $2f

    /* Says why, and stops with a status or else by a triple fault. */
unfit:
    movl $unfit_text, %esi
3:  lodsb
    movb %al, %bl
    testb %al, %al
    jz 5f
    movw $SERIAL_STATUS, %dx
4:  inb %dx, %al
    testb $SERIAL_READY, %al
    jz 4b
    movw $SERIAL_DATA, %dx
    movb %bl, %al
    outb %al, %dx
    jmp 3b
5:  movw $DEBUG_EXIT, %dx
    movl $STATUS_PANIC, %eax
    outl %eax, %dx
    lidt no_handlers
    int3

    .code64
2:  movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movl $__boot_stack_top, %esp
    fninit
    ldmxcsr initial_mxcsr
    movl %ebx, %edi
    movl %ebp, %esi
    xorl %ebp, %ebp
    call boot_main
    ud2

    /* boot_switch(function, argument, stack top): no way back */
    .globl boot_switch
boot_switch:
    movq %rdx, %rsp
    movq %rdi, %rax
    movq %rsi, %rdi
    call *%rax
    ud2

    .section .rodata
    .balign 4
initial_mxcsr:
    .long 0x1f80               /* all floating point exceptions masked */
no_handlers:
    .word 0
    .long 0
unfit_text:
    .asciz "panic: this processor has no 64-bit mode, or no NX to keep data from being executed\n"
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt

    /* Accessed bits are set already, so that the processor never writes
       here; the task descriptor is filled in by fault.c before sealing. */
    .section .sealed, "aw"
    .balign 16
    .globl gdt_task
gdt:
    .quad 0
    .quad 0x00af9b000000ffff   /* 8: 64-bit code */
    .quad 0x00cf93000000ffff   /* 16: data */
gdt_task:
    .quad 0, 0                 /* 24: task state */
gdt_end:

    .section .note.GNU-stack, "", @progbits
