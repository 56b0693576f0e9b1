/* Floats of 16 bits.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Exact; infinities and NaN stay what they are. */
float defcn_half_to_float (guint16 half);
/* To nearest, ties to even; infinity from 65520 on. */
guint16 defcn_half_from_float (float value);

/* The upper half of a float32, exact. */
float defcn_half_bfloat_to_float (guint16 bfloat);
/* To nearest, ties to even; NaN stays NaN. */
guint16 defcn_half_bfloat_from_float (float value);

G_END_DECLS
