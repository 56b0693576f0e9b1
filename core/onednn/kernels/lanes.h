/* What a kernel file is written in: a vector of one block's channels.
 *
 * The build compiles every kernel file once per instruction set, with LANES
 * (the block: 16 or 8) and ISA (the end of its table's name) defined, so the
 * same lines become AVX-512, AVX2 or whatever the machine's base is.
 */
#pragma once

#include <glib.h>
#include <string.h>

#include "kernels.h"

#ifndef LANES
#define LANES 8
#define ISA base
#endif

/* Vectors wider than the machine's pass between inlined functions alone. */
#pragma GCC diagnostic ignored "-Wpsabi"

/* Lanes of one block; memory is aligned to it. */
typedef float Vec __attribute__ ((vector_size (LANES * 4), may_alias));
typedef gint32 Mask __attribute__ ((vector_size (LANES * 4), may_alias));

#define KERNEL_NAME_(table, isa) defcn_##table##_##isa
#define KERNEL_NAME(table, isa) KERNEL_NAME_ (table, isa)

#define INLINE static inline __attribute__ ((always_inline))

INLINE Vec
lanes_load (const float *p)
{
  return *(const Vec *) p;
}

INLINE void
lanes_store (float *p, Vec v)
{
  *(Vec *) p = v;
}

INLINE Vec
lanes_zero (void)
{
  return (Vec){ 0 };
}

/* v where v > 0, else 0 (also for NaN). */
INLINE Vec
lanes_rectify (Vec v)
{
  return (Vec) ((Mask) v & (v > lanes_zero ()));
}

/* d where y > 0, else 0. */
INLINE Vec
lanes_masked (Vec d, Vec y)
{
  return (Vec) ((Mask) d & (y > lanes_zero ()));
}
