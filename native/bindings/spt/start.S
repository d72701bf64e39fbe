/*
 * Entry from Linux: the stack pointer is at argc, argv, the environment and
 * the auxiliary vector (System V ABI, AMD64 supplement, "Process
 * Initialization").
 */
    .section .text.boot, "ax"
    .globl _start
_start:
    xorl %ebp, %ebp
    movq %rsp, %rdi
    andq $-16, %rsp
    call process_main
    ud2

    /* process_switch(function, argument, stack top): no way back */
    .globl process_switch
process_switch:
    movq %rdx, %rsp
    movq %rdi, %rax
    movq %rsi, %rdi
    xorl %ebp, %ebp
    call *%rax
    ud2

    .section .note.GNU-stack, "", @progbits
