/* Threads that take turns: each has a stack of its own and runs until it hands
 * over.  What swapcontext does but for the mask of signals, whose two system
 * calls a switch are most of an emulated kernel's time. */
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __x86_64__

struct FibreContext
{
  void *sp;
};

/* Leaves what a call preserves on the stack, and its end in *@from. */
extern "C" void fibre_switch_stack (void **from, void *to);

static inline void
fibre_switch (FibreContext *from, const FibreContext *to)
{
  fibre_switch_stack (&from->sp, to->sp);
}

/* The first switch to @context calls @main, which does not return. */
static inline void
fibre_init (FibreContext *context, void *stack, size_t size, void (*main) ())
{
  const uintptr_t end = ((uintptr_t) stack + size) & ~(uintptr_t) 15;
  void **sp = (void **) end - 8; /* six registers, @main, no caller */

  for (int i = 0; i < 8; i++)
    sp[i] = i == 6 ? (void *) main : NULL;
  context->sp = sp;
}

#else

#include <ucontext.h>

typedef ucontext_t FibreContext;

static inline void
fibre_switch (FibreContext *from, const FibreContext *to)
{
  swapcontext (from, to);
}

static inline void
fibre_init (FibreContext *context, void *stack, size_t size, void (*main) ())
{
  getcontext (context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = size;
  context->uc_link = NULL;
  makecontext (context, main, 0);
}

#endif
