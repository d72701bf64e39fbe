/*
 * The engine with compiled functions.
 *
 * QuickJS-ng's source is included as it is; one name in it is redirected before: every call of JS_CallInternal, which
 * interprets a function, goes to aot_dispatch, which runs the compiled function if there is one and else lets it be
 * interpreted.  So whoever calls a function (compiled code, the interpreter, the engine's library) finds the fast one,
 * and programs see no difference: a function stays the same object, with the same name, properties and place in stacks.
 */
#include "quickjs.h"

static JSValue aot_dispatch(JSContext *ctx, JSValueConst function, JSValueConst this_value, JSValueConst new_target,
                            int argc, JSValueConst *argv, int flags);

/*
 * The first token of the arguments tells calls from the declaration and the definition:
 *   JS_CallInternal(ctx, ...)                   becomes aot_dispatch(ctx, ...)
 *   JS_CallInternal(JSContext *caller_ctx, ...) becomes interpret(JSContext *caller_ctx, ...)
 */
#define JS_CallInternal(first, ...) REDIRECT_##first, __VA_ARGS__)
#define REDIRECT_ctx aot_dispatch(ctx
#define REDIRECT_JSContext interpret(JSContext

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#include "quickjs.c"
#pragma GCC diagnostic pop

#undef JS_CallInternal

#include "aot.h"
#include "aot-load.h"

#define SAME(ours, our_field, theirs, their_field)                                                                     \
    _Static_assert(offsetof(struct ours, our_field) == offsetof(theirs, their_field), #our_field)
SAME(aot_object, shape, JSObject, shape);
SAME(aot_object, properties, JSObject, prop);
SAME(aot_object, function.bytecode, JSObject, u.func.function_bytecode);
SAME(aot_object, function.outer, JSObject, u.func.var_refs);
SAME(aot_object, function.home, JSObject, u.func.home_object);
SAME(aot_object, array.values, JSObject, u.array.u.values);
SAME(aot_object, array.count, JSObject, u.array.count);
SAME(aot_object, class_id, JSObject, class_id);
SAME(aot_var_ref, value, JSVarRef, pvalue);
SAME(aot_bytecode, code, JSFunctionBytecode, byte_code_buf);
SAME(aot_bytecode, constants, JSFunctionBytecode, cpool);
SAME(aot_frame, function, JSStackFrame, cur_func);
SAME(aot_frame, arguments, JSStackFrame, arg_buf);
SAME(aot_frame, variables, JSStackFrame, var_buf);
SAME(aot_frame, captured, JSStackFrame, var_refs);
SAME(aot_frame, pc, JSStackFrame, cur_pc);
SAME(aot_frame, captured_count, JSStackFrame, var_ref_count);
SAME(aot_frame, argument_count, JSStackFrame, arg_count);
SAME(aot_frame, is_strict, JSStackFrame, is_strict_mode);
SAME(aot_frame, sp, JSStackFrame, cur_sp);
_Static_assert(sizeof(struct aot_frame) == sizeof(JSStackFrame), "frame");
_Static_assert(sizeof(struct aot_property) == sizeof(JSProperty), "property");
_Static_assert(offsetof(JSMallocBlockHeader, user_data) - offsetof(JSMallocBlockHeader, ref_count) == 4, "count");
/* The engine leaves these octets unused, and zero. */
_Static_assert(offsetof(JSFunctionBytecode, byte_code_buf) - offsetof(struct aot_bytecode, compiled) == 4, "padding");
_Static_assert(offsetof(struct aot_bytecode, compiled) >= sizeof(JSGCObjectHeader) + 2, "padding");
_Static_assert(AOT_ARRAY == JS_CLASS_ARRAY && AOT_FUNCTION == JS_CLASS_BYTECODE_FUNCTION &&
               AOT_UINT8_ARRAY == JS_CLASS_UINT8_ARRAY && AOT_INT32_ARRAY == JS_CLASS_INT32_ARRAY, "classes");

struct aot_frame **aot_current;
uintptr_t aot_stack_limit;
int *aot_steps;
static JSValueConst new_target_of_call;

static aot_function *compiled_of(const JSFunctionBytecode *b)
{
    return aot_compiled((const struct aot_bytecode *)b);
}

static JSFunctionBytecode *running(JSRuntime *rt)
{
    return JS_VALUE_GET_OBJ(rt->current_stack_frame->cur_func)->u.func.function_bytecode;
}

static void set_pc(JSContext *ctx, const uint8_t *pc)
{
    ctx->rt->current_stack_frame->cur_pc = (uint8_t *)pc;
}

/* Numbers the functions of a program as packages/aot does: each before those in its constants. */
static uint32_t number(JSValueConst value, uint32_t next, uint32_t count, aot_function *const *compiled)
{
    if (JS_VALUE_GET_TAG(value) != JS_TAG_FUNCTION_BYTECODE)
        return next;
    JSFunctionBytecode *b = JS_VALUE_GET_PTR(value);
    if (next < count)
        ((struct aot_bytecode *)b)->compiled = (uintptr_t)compiled[next];
    next++;
    for (int i = 0; i < b->cpool_count; i++)
        next = number(b->cpool[i], next, count, compiled);
    return next;
}

bool aot_load(JSContext *ctx, JSValueConst module, uint32_t count, aot_function *const *compiled)
{
    JSRuntime *rt = ctx->rt;
    if (JS_VALUE_GET_TAG(module) != JS_TAG_MODULE)
        return false;
    aot_current = (struct aot_frame **)&rt->current_stack_frame;
    aot_stack_limit = rt->stack_limit;
    aot_steps = &ctx->interrupt_counter;
    JSModuleDef *m = JS_VALUE_GET_PTR(module);
    return number(m->func_obj, 0, count, compiled) == count;
}

/* Calls */

static JSValue aot_dispatch(JSContext *ctx, JSValueConst function, JSValueConst this_value, JSValueConst new_target,
                            int argc, JSValueConst *argv, int flags)
{
    if (LIKELY(JS_VALUE_GET_TAG(function) == JS_TAG_OBJECT)) {
        JSObject *p = JS_VALUE_GET_OBJ(function);
        if (p->class_id == JS_CLASS_BYTECODE_FUNCTION) {
            aot_function *compiled = compiled_of(p->u.func.function_bytecode);
            if (compiled) {
                if (js_poll_interrupts(ctx))
                    return JS_EXCEPTION;
                new_target_of_call = new_target;
                return compiled(ctx, (struct aot_object *)p, this_value, argc, argv);
            }
        }
    }
    return interpret(ctx, function, this_value, new_target, argc, argv, flags);
}

#include "library.inc"

JSValue aot_call(JSContext *ctx, JSValue function, JSValue this_value, int argc, JSValue *argv)
{
    if (LIKELY(TAG(function) == JS_TAG_OBJECT)) {
        struct aot_object *p = OBJECT(function);
        if (p->class_id == AOT_FUNCTION) {
            aot_function *compiled = aot_compiled(p->function.bytecode);
            if (LIKELY(compiled != NULL)) {
                if (aot_poll(ctx))
                    return JS_EXCEPTION;
                new_target_of_call = JS_UNDEFINED;
                return compiled(ctx, p, this_value, argc, argv);
            }
        } else if (p->class_id == JS_CLASS_C_FUNCTION) {
            JSValue made;
            if (call_library((JSObject *)p, this_value, argc, argv, &made))
                return made;
            return js_call_c_function(ctx, function, this_value, argc, argv, 0);
        }
    }
    return interpret(ctx, function, this_value, JS_UNDEFINED, argc, argv, JS_CALL_FLAG_COPY_ARGV);
}

JSValue aot_construct(JSContext *ctx, JSValue function, JSValue new_target, int argc, JSValue *argv)
{
    return JS_CallConstructorInternal(ctx, function, new_target, argc, argv, JS_CALL_FLAG_COPY_ARGV);
}

JSValue aot_new_target(void)
{
    return new_target_of_call;
}

/* super(...) of a constructor without one of its own: with the same arguments. */
JSValue aot_init_constructor(JSContext *ctx, struct aot_object *self, JSValue new_target, int argc, JSValue *argv)
{
    if (JS_IsUndefined(new_target))
        return JS_ThrowTypeError(ctx, "class constructors must be invoked with 'new'");
    JSValue super = JS_GetPrototype(ctx, MAKE_OBJECT(self));
    if (JS_IsException(super))
        return super;
    JSValue made = JS_CallConstructor2(ctx, super, new_target, argc, argv);
    JS_FreeValue(ctx, super);
    return made;
}

JSValue aot_make_closure(JSContext *ctx, JSValue bytecode, struct aot_object *self)
{
    return js_closure(ctx, js_dup(bytecode), (JSVarRef **)self->function.outer, ctx->rt->current_stack_frame);
}

JSValue aot_rest(JSContext *ctx, int first, int argc, JSValue *argv)
{
    int skipped = min_int(first, argc);
    return js_create_array(ctx, argc - skipped, argc > skipped ? argv + skipped : NULL);
}

JSValue aot_stack_overflow(JSContext *ctx)
{
    return JS_ThrowStackOverflow(ctx);
}

int aot_poll_slow(JSContext *ctx)
{
    return __js_poll_interrupts(ctx);
}

void aot_close(JSContext *ctx, struct aot_frame *frame)
{
    close_var_refs(ctx->rt, (JSStackFrame *)frame);
}

void aot_close_variable(JSContext *ctx, struct aot_object *self, int variable)
{
    close_lexical_var(ctx, (JSFunctionBytecode *)self->function.bytecode, ctx->rt->current_stack_frame, variable);
}

JSValue aot_home_object(struct aot_object *self)
{
    return self->function.home ? DUP(MAKE_OBJECT(self->function.home)) : JS_UNDEFINED;
}

void aot_free_many(JSContext *ctx, JSValue *values, int count)
{
    for (int i = 0; i < count; i++)
        JS_FreeValue(ctx, values[i]);
}

void aot_release(JSContext *ctx, JSValue value)
{
    js_free_value_rt(ctx->rt, value);
}

/* Exceptions */

void aot_unwind(JSContext *ctx)
{
    if (needs_backtrace(ctx->rt->current_exception) || JS_IsUndefined(ctx->error_back_trace))
        build_backtrace(ctx, ctx->rt->current_exception, JS_UNDEFINED, NULL, 0, 0, 0);
}

bool aot_catch(JSContext *ctx, JSValue *exception)
{
    JSRuntime *rt = ctx->rt;
    if (JS_IsUncatchableError(rt->current_exception))
        return false;
    *exception = rt->current_exception;
    rt->current_exception = JS_UNINITIALIZED;
    JS_FreeValueRT(rt, ctx->error_back_trace);
    ctx->error_back_trace = JS_UNDEFINED;
    return true;
}

void aot_close_iterator(JSContext *ctx, JSValue iterator, JSValue method)
{
    JS_FreeValue(ctx, method);
    if (!JS_IsUncatchableError(ctx->rt->current_exception))
        JS_IteratorClose(ctx, iterator, true);
    JS_FreeValue(ctx, iterator);
}

void aot_give_back(JSContext *ctx, JSValue value)
{
    JS_FreeValue(ctx, value);
}

int aot_finish_iterator(JSContext *ctx, JSValue iterator, const uint8_t *pc)
{
    if (JS_IsUndefined(iterator))
        return 0;
    set_pc(ctx, pc);
    return JS_IteratorClose(ctx, iterator, false) ? -1 : 0;
}

void aot_throw_uninitialized(JSContext *ctx, struct aot_object *self, int variable, bool is_outer, const uint8_t *pc)
{
    set_pc(ctx, pc);
    JS_ThrowReferenceErrorUninitialized2(ctx, (JSFunctionBytecode *)self->function.bytecode, variable, is_outer);
}

void aot_throw(JSContext *ctx, JSValue value, const uint8_t *pc)
{
    set_pc(ctx, pc);
    JS_Throw(ctx, js_dup(value));
}

void aot_throw_reference_error(JSContext *ctx, const uint8_t *pc)
{
    set_pc(ctx, pc);
    JS_ThrowReferenceError(ctx, "'this' can be initialized only once");
}

void aot_throw_type_error(JSContext *ctx, const char *text, const uint8_t *pc)
{
    set_pc(ctx, pc);
    JS_ThrowTypeError(ctx, "%s", text);
}

#include "properties.inc"
#include "operators.inc"
