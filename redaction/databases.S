/* What databases_build made, as it is. */
    .section .rodata
    .global built_databases
    .balign 8
built_databases:
    .incbin BUILT_DATABASES
    .section .note.GNU-stack, "", %progbits
