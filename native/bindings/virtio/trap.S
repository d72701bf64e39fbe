/*
 * Exception and interrupt entry points.
 *
 * Exceptions 0..31 are all fatal: they save the registers as a struct
 * fault_frame (fault.c) on their own stack and never return.
 *
 * Interrupts are taken only in trap_wait().  The handler acknowledges the local
 * APIC, notes which kind it was and ends the wait with interrupts off, so that
 * exactly one is taken per sti.  It does not go back to where it came from: sti
 * keeps interrupts away up to the hlt, but a hypervisor may forget that when it
 * stops, saves or moves a machine just there, and a hlt with interrupts off
 * would be the last.
 */
    .section .text.trap, "ax"

    .macro EXCEPTION number, has_code
    .balign 16
    .if \has_code == 0
    pushq $0
    .endif
    pushq $\number
    jmp fault_common
    .endm

    .balign 16
    .globl trap_exceptions
trap_exceptions:               /* 16 bytes each */
    .set n, 0
    .rept 32
    .if n == 8 || (n >= 10 && n <= 14) || n == 17 || n == 21 || n == 29 || \
        n == 30
    EXCEPTION n, 1
    .else
    EXCEPTION n, 0
    .endif
    .set n, n + 1
    .endr

fault_common:
    pushq %r15
    pushq %r14
    pushq %r13
    pushq %r12
    pushq %r11
    pushq %r10
    pushq %r9
    pushq %r8
    pushq %rbp
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rbx
    pushq %rax
    movq %rsp, %rdi
    cld
    andq $-16, %rsp
    call fault_report
    ud2

    .balign 16
    .globl trap_device
trap_device:
    movb $1, irq_device_raised
    .globl trap_timer
trap_timer:
    pushq %rax
    movq irq_lapic, %rax
    movl $0, 0xb0(%rax)        /* end of interrupt */
    popq %rax
    .globl trap_spurious
trap_spurious:                 /* takes no acknowledgement */
    movq $woken, (%rsp)        /* where to go on */
    andq $~0x200, 16(%rsp)     /* clear IF in the saved flags */
    iretq

    .balign 16
    .globl trap_wait
trap_wait:
    sti
    hlt
woken:
    ret

    .section .note.GNU-stack, "", @progbits
