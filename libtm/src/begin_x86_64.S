/* SPDX-License-Identifier: MIT
 *
 * tm_begin_ and the jump back to it, for x86-64 (System V ABI).
 *
 * tm_begin_ returns once for each attempt. It begins in C++ and then stores what a called function must preserve, the stack pointer and its
 * return address in the context, 8 words in all. A restart loads them again: as setjmp and longjmp do, without their extra work.
 * Offsets are those of struct tm_context; c_api.cpp asserts them.
 */
#define DEPTH 40
#define FRAME 48

        .text
        .globl  tm_begin_
        .type   tm_begin_, @function
        .p2align 4
tm_begin_:
        .cfi_startproc
        endbr64
        movq    tm_self_@gottpoff(%rip), %rax
        movq    %fs:(%rax), %rax
        cmpq    $0, DEPTH(%rax)
        jne     1f
        pushq   %rax
        .cfi_adjust_cfa_offset 8
        movq    %rdi, %rsi
        movq    %rax, %rdi
        call    tm_begin_outermost_
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        leaq    8(%rsp), %rsi
        movq    (%rsp), %rdx
        movq    %rbx, FRAME+0(%rcx)
        movq    %rbp, FRAME+8(%rcx)
        movq    %r12, FRAME+16(%rcx)
        movq    %r13, FRAME+24(%rcx)
        movq    %r14, FRAME+32(%rcx)
        movq    %r15, FRAME+40(%rcx)
        movq    %rsi, FRAME+48(%rcx)
        movq    %rdx, FRAME+56(%rcx)
        ret
1:      /* nested, or the thread's first, or one left by longjmp: tm_begin_nested_ tells, with the caller's stack pointer and our return address */
        leaq    8(%rsp), %rsi
        movq    (%rsp), %rdx
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        call    tm_begin_nested_
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        cmpl    $2, %eax
        je      tm_begin_
        ret
        .cfi_endproc
        .size   tm_begin_, . - tm_begin_

        .globl  tm_jump_
        .hidden tm_jump_
        .type   tm_jump_, @function
        .p2align 4
tm_jump_:
        .cfi_startproc
        endbr64
        movq    0(%rdi), %rbx
        movq    8(%rdi), %rbp
        movq    16(%rdi), %r12
        movq    24(%rdi), %r13
        movq    32(%rdi), %r14
        movq    40(%rdi), %r15
        movq    48(%rdi), %rsp
        movl    %esi, %eax
        jmp     *56(%rdi)
        .cfi_endproc
        .size   tm_jump_, . - tm_jump_

        .section .note.GNU-stack,"",@progbits
