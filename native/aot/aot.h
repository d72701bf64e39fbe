/*
 * What compiled functions see of the engine.
 *
 * packages/aot turns the bytecode of a program into C: one function per function of the program.  Such a file includes
 * only this header, so it compiles in a fraction of the time that the engine takes.  The structures here are the
 * engine's own, reduced to what is read in line; engine.c, which sees the real ones, asserts that they agree.
 *
 * Ownership: values handed to a function are borrowed for the call, results are owned by the caller.  A function that
 * fails returns JS_EXCEPTION, or -1, with the exception pending in the context.
 */
#ifndef MIRAGE_AOT_H
#define MIRAGE_AOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aot-load.h"
#include "quickjs.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* The engine's, by their names there: JSShape, JSProperty, JSVarRef... */
struct aot_shape;

struct aot_property {
    JSValue value;
};

struct aot_var_ref {
    void *link[2];
    uint8_t flags[8];
    JSValue *value;
};

struct aot_bytecode {
    void *link[2];
    uint16_t flags;
    uint32_t compiled; /* ours, in the engine's padding: address of the compiled function, or 0 */
    const uint8_t *code;
    uint8_t other[48];
    JSValue *constants;
};

struct aot_object {
    void *link[2];
    uint16_t flags;
    uint16_t class_id;
    struct aot_shape *shape;
    struct aot_property *properties;
    void *weak;
    union {
        struct {
            struct aot_bytecode *bytecode;
            struct aot_var_ref **outer;
            struct aot_object *home;
        } function;
        struct {
            void *buffer;
            union {
                JSValue *values;
                uint8_t *octets;
                int32_t *int32s;
            };
            uint32_t count;
        } array;
    };
};

/* One call of a function, which stack traces and closures look at. */
struct aot_frame {
    struct aot_frame *previous;
    JSValue function;
    JSValue *arguments;
    JSValue *variables;
    struct aot_var_ref **captured;
    const uint8_t *pc; /* after the instruction being executed */
    uint16_t captured_count, argument_count;
    bool is_strict;
    JSValue *sp;
};

/*
 * What was learned at one place of the program that reads or writes a property: objects of this shape have it there.
 * Shapes are kept alive by the site; a shape that others hold is never changed by the engine, but copied.
 */
struct aot_site {
    struct aot_shape *own;    /* objects of this shape have the property themselves, at index */
    struct aot_shape *shape;  /* objects of this shape have it from holder, or get it (see next) */
    struct aot_object *holder;
    struct aot_shape *holder_shape;
    struct aot_object *middle; /* a prototype between, or null */
    struct aot_shape *middle_shape;
    struct aot_shape *next;   /* writing adds the property: the shape after it */
    uint32_t index;
    uint32_t kind;
};

/* Programs are linked below 4 GiB: an address fits. */
static inline aot_function *aot_compiled(const struct aot_bytecode *b)
{
    return (aot_function *)(uintptr_t)b->compiled;
}

/* Where the engine keeps the current frame; the lowest address of its stack; its count of steps until it polls. */
extern struct aot_frame **aot_current;
extern uintptr_t aot_stack_limit;
extern int *aot_steps;

/* The numbers of the engine's classes. */
enum { AOT_ARRAY = 2, AOT_FUNCTION = 13, AOT_UINT8_ARRAY = 24, AOT_INT32_ARRAY = 27 };

static inline int TAG(JSValue v)
{
    return JS_VALUE_GET_TAG(v);
}

static inline int32_t INT(JSValue v)
{
    return JS_VALUE_GET_INT(v);
}

static inline struct aot_object *OBJECT(JSValue v)
{
    return JS_VALUE_GET_PTR(v);
}

static inline JSValue MAKE_INT(int32_t i)
{
    return JS_MKVAL(JS_TAG_INT, i);
}

static inline JSValue MAKE_BOOL(bool b)
{
    return JS_MKVAL(JS_TAG_BOOL, b);
}

static inline JSValue MAKE_OBJECT(struct aot_object *p)
{
    return JS_MKPTR(JS_TAG_OBJECT, p);
}

static inline bool BOTH_INT(JSValue a, JSValue b)
{
    return (TAG(a) | TAG(b)) == JS_TAG_INT;
}

#define IS_EXCEPTION(v) UNLIKELY(TAG(v) == JS_TAG_EXCEPTION)

__attribute__((cold)) void aot_release(JSContext *ctx, JSValue value);
void aot_free_many(JSContext *ctx, JSValue *values, int count);

static inline bool aot_is_counted(JSValue v)
{
    return (unsigned)TAG(v) >= (unsigned)JS_TAG_FIRST;
}

static inline int *aot_count_of(JSValue v)
{
    return (int *)((char *)JS_VALUE_GET_PTR(v) - 4);
}

static inline JSValue DUP(JSValue v)
{
    if (aot_is_counted(v))
        ++*aot_count_of(v);
    return v;
}

static inline void aot_free(JSContext *ctx, JSValue v)
{
    if (aot_is_counted(v) && UNLIKELY(--*aot_count_of(v) <= 0))
        aot_release(ctx, v);
}
#define FREE(v) aot_free(ctx, v)

/* Replaces a variable's value by one that it then owns. */
static inline void aot_set(JSContext *ctx, JSValue *variable, JSValue value)
{
    JSValue old = *variable;
    *variable = value;
    aot_free(ctx, old);
}

/* Properties.  PC is the address after the instruction, whose last operand is the name. */
JSValue aot_get_slow(JSContext *ctx, JSValue object, struct aot_site *site, const uint8_t *pc);
int aot_put_slow(JSContext *ctx, JSValue object, JSValue value, struct aot_site *site, const uint8_t *pc);
int aot_define(JSContext *ctx, JSValue object, JSValue value, struct aot_site *site, const uint8_t *pc);
JSValue aot_get_length_slow(JSContext *ctx, JSValue object, struct aot_site *site, const uint8_t *pc);
JSValue aot_get_global(JSContext *ctx, struct aot_site *site, const uint8_t *pc, bool must_exist);
JSValue aot_get_element_slow(JSContext *ctx, JSValue object, JSValue index, const uint8_t *pc);
int aot_put_element_slow(JSContext *ctx, JSValue object, JSValue index, JSValue value, const uint8_t *pc);

static inline JSValue aot_get(JSContext *ctx, JSValue object, struct aot_site *site, const uint8_t *pc)
{
    if (LIKELY(TAG(object) == JS_TAG_OBJECT) && LIKELY(OBJECT(object)->shape == site->own))
        return DUP(OBJECT(object)->properties[site->index].value);
    return aot_get_slow(ctx, object, site, pc);
}

static inline JSValue aot_get_method(JSContext *ctx, JSValue object, struct aot_site *site, const uint8_t *pc)
{
    if (LIKELY(TAG(object) == JS_TAG_OBJECT) && LIKELY(OBJECT(object)->shape == site->shape) &&
        LIKELY(site->middle == NULL && site->kind == 0)) {
        struct aot_object *holder = site->holder;
        if (LIKELY(holder->shape == site->holder_shape))
            return DUP(holder->properties[site->index].value);
    }
    return aot_get_slow(ctx, object, site, pc);
}

static inline int aot_put(JSContext *ctx, JSValue object, JSValue value, struct aot_site *site, const uint8_t *pc)
{
    if (LIKELY(TAG(object) == JS_TAG_OBJECT) && LIKELY(OBJECT(object)->shape == site->own)) {
        aot_set(ctx, &OBJECT(object)->properties[site->index].value, DUP(value));
        return 0;
    }
    return aot_put_slow(ctx, object, value, site, pc);
}

static inline JSValue aot_get_length(JSContext *ctx, JSValue object, struct aot_site *site, const uint8_t *pc)
{
    if (LIKELY(TAG(object) == JS_TAG_OBJECT)) {
        struct aot_object *p = OBJECT(object);
        if (p->class_id == AOT_ARRAY)
            return DUP(p->properties[0].value);
        if (p->class_id == AOT_UINT8_ARRAY && p->shape == site->shape)
            return MAKE_INT((int32_t)p->array.count);
    }
    return aot_get_length_slow(ctx, object, site, pc);
}

static inline JSValue aot_get_element(JSContext *ctx, JSValue object, JSValue index, const uint8_t *pc)
{
    if (LIKELY(TAG(object) == JS_TAG_OBJECT && TAG(index) == JS_TAG_INT)) {
        struct aot_object *p = OBJECT(object);
        uint32_t i = (uint32_t)INT(index);
        if (p->class_id == AOT_UINT8_ARRAY && LIKELY(i < p->array.count))
            return MAKE_INT(p->array.octets[i]);
        if (p->class_id == AOT_ARRAY && LIKELY(i < p->array.count))
            return DUP(p->array.values[i]);
    }
    return aot_get_element_slow(ctx, object, index, pc);
}

static inline int aot_put_element(JSContext *ctx, JSValue object, JSValue index, JSValue value, const uint8_t *pc)
{
    if (LIKELY(TAG(object) == JS_TAG_OBJECT && TAG(index) == JS_TAG_INT)) {
        struct aot_object *p = OBJECT(object);
        uint32_t i = (uint32_t)INT(index);
        if (p->class_id == AOT_UINT8_ARRAY && LIKELY(i < p->array.count) && LIKELY(TAG(value) == JS_TAG_INT)) {
            p->array.octets[i] = (uint8_t)INT(value);
            return 0;
        }
        if (p->class_id == AOT_ARRAY && LIKELY(i < p->array.count)) {
            aot_set(ctx, &p->array.values[i], DUP(value));
            return 0;
        }
    }
    return aot_put_element_slow(ctx, object, index, value, pc);
}

/* Calls. */
JSValue aot_call(JSContext *ctx, JSValue function, JSValue this_value, int argc, JSValue *argv);
JSValue aot_construct(JSContext *ctx, JSValue function, JSValue new_target, int argc, JSValue *argv);
/* new.target of the call that is just beginning: read before anything else is called. */
JSValue aot_new_target(void);
JSValue aot_make_closure(JSContext *ctx, JSValue bytecode, struct aot_object *self);
JSValue aot_init_constructor(JSContext *ctx, struct aot_object *self, JSValue new_target, int argc, JSValue *argv);
JSValue aot_home_object(struct aot_object *self);
JSValue aot_rest(JSContext *ctx, int first, int argc, JSValue *argv);
JSValue aot_stack_overflow(JSContext *ctx);
int aot_poll_slow(JSContext *ctx);
/* The end of a call whose closures may live on; a variable of a loop's round whose closures may. */
void aot_close(JSContext *ctx, struct aot_frame *frame);
void aot_close_variable(JSContext *ctx, struct aot_object *self, int variable);

static inline int aot_poll(JSContext *ctx)
{
    return UNLIKELY(--*aot_steps <= 0) ? aot_poll_slow(ctx) : 0;
}

/* Exceptions.  An exception begins to unwind the current frame; a handler may take it; an iterator is closed by it. */
__attribute__((cold)) void aot_unwind(JSContext *ctx);
__attribute__((cold)) bool aot_catch(JSContext *ctx, JSValue *exception);
__attribute__((cold)) void aot_close_iterator(JSContext *ctx, JSValue iterator, JSValue method);
__attribute__((cold)) void aot_give_back(JSContext *ctx, JSValue value);
int aot_finish_iterator(JSContext *ctx, JSValue iterator, const uint8_t *pc);
void aot_throw(JSContext *ctx, JSValue value, const uint8_t *pc);
void aot_throw_type_error(JSContext *ctx, const char *text, const uint8_t *pc);
void aot_throw_reference_error(JSContext *ctx, const uint8_t *pc);
void aot_throw_uninitialized(JSContext *ctx, struct aot_object *self, int variable, bool is_outer, const uint8_t *pc);

/* Operators, for operands of any type. OPERATION is the engine's number of the instruction. */
JSValue aot_arithmetic(JSContext *ctx, int operation, JSValue a, JSValue b, const uint8_t *pc);
JSValue aot_unary(JSContext *ctx, int operation, JSValue a, const uint8_t *pc);
int aot_compare(JSContext *ctx, int operation, JSValue a, JSValue b, const uint8_t *pc);
bool aot_strict_equals_slow(JSContext *ctx, JSValue a, JSValue b);
int aot_truth_slow(JSContext *ctx, JSValue a);
JSValue aot_to_numeric(JSContext *ctx, JSValue a, const uint8_t *pc);
JSValue aot_empty_string(JSContext *ctx);
bool aot_is_function(JSContext *ctx, JSValue a);
JSValue aot_typeof(JSContext *ctx, JSValue a);

static inline bool aot_strict_equals(JSContext *ctx, JSValue a, JSValue b)
{
    if (TAG(a) == TAG(b)) {
        if (TAG(a) == JS_TAG_INT || TAG(a) == JS_TAG_BOOL)
            return INT(a) == INT(b);
        if (TAG(a) == JS_TAG_UNDEFINED || TAG(a) == JS_TAG_NULL)
            return true;
        if (TAG(a) == JS_TAG_OBJECT)
            return JS_VALUE_GET_PTR(a) == JS_VALUE_GET_PTR(b);
    } else if (TAG(a) == JS_TAG_UNDEFINED || TAG(b) == JS_TAG_UNDEFINED || TAG(a) == JS_TAG_NULL || TAG(b) == JS_TAG_NULL) {
        return false;
    }
    return aot_strict_equals_slow(ctx, a, b);
}

static inline int aot_truth(JSContext *ctx, JSValue a)
{
    if (LIKELY((uint32_t)TAG(a) <= JS_TAG_UNDEFINED))
        return INT(a) != 0;
    return aot_truth_slow(ctx, a);
}

/*
 * The text of a name in the program: made once and kept in CELL, to be borrowed.
 */
JSValue aot_text_slow(JSContext *ctx, JSValue *cell, const uint8_t *pc);

static inline JSValue aot_text(JSContext *ctx, JSValue *cell, const uint8_t *pc)
{
    return LIKELY(TAG(*cell) != JS_TAG_INT) ? *cell : aot_text_slow(ctx, cell, pc);
}

static inline JSValue aot_unsigned(uint32_t value)
{
    return LIKELY(value <= INT32_MAX) ? MAKE_INT((int32_t)value) : JS_NewFloat64(NULL, (double)value);
}

/*
 * The remaining instructions work on an array of operands as the engine's own do: SP points behind the last one; operands
 * are owned, taken or replaced by results.  After a failure all that were there are still owned by the caller, some
 * perhaps undefined.
 */
#define AOT_OPERATION(name) int aot_op_##name(JSContext *ctx, struct aot_object *self, JSValue *sp, const uint8_t *pc)
#include "operations.h"
#undef AOT_OPERATION

#endif
