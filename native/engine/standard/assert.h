/*
 * The engine's assertions: kept, though it is compiled with NDEBUG, which
 * leaves out its code for debugging.  They tell where they stand but not what
 * they said: that text would add 6 KB.  No include guard, as in every assert.h.
 */
#undef assert
#define assert(condition) \
    ((condition) ? (void)0 : assertion_failed(__FILE_NAME__, __LINE__))

#define static_assert _Static_assert

_Noreturn void assertion_failed(const char *file, int line);
