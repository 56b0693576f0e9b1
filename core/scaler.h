/* Any image -> dense RGB of another size.
 *
 * Every format is converted to 8-bit R, G, B (by the image's own matrix and
 * range) and resized with a triangle filter that widens as the image shrinks
 * (bit-exact with Pillow's BILINEAR).  YUV is converted in fixed point, within
 * 1 of the exact value; a chroma sample serves all the pixels it was taken from
 * (nearest).
 *
 * Thread rule: a scaler is for one thread.
 */
#pragma once

#include "image.h"
#include "pixels.h"

G_BEGIN_DECLS

/* Keeps filter tables and scratch rows between images of one size. */
typedef struct _DefcnScaler DefcnScaler;

DefcnScaler *defcn_scaler_new (void);
void defcn_scaler_free (DefcnScaler *scaler);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnScaler, defcn_scaler_free)

/* CPU threads of defcn_scaler_run(), 1 at first; the same bits with any. */
void defcn_scaler_set_threads (DefcnScaler *scaler, int threads);
/* For tests: FALSE keeps to the CPU's baseline, which gives the same bits. */
void defcn_scaler_set_simd (DefcnScaler *scaler, gboolean simd);

/* Resizes the rectangle @x, @y, @w, @h of @image (clipped by the caller to
 * lie inside) to @out_w x @out_h RGB, dense.  @rgb: out_h * out_w * 3 bytes. */
void defcn_scaler_run (DefcnScaler *scaler, guint8 *rgb,
    const DefcnImage *image, int x, int y, int w, int h, int out_w, int out_h);

/* What defcn_scaler_run() and defcn_image_normalize() do to an image, for a
 * device that does it itself.  Filter tables: output i of an axis is the sum of
 * weights[i * taps + j] times input first[i] + j of the rectangle, in fixed
 * point of DEFCN_WEIGHT_BITS, rounded to 8 bits after each axis; taps beyond
 * the rectangle have weight 0. */
typedef struct
{
  int x, y, w, h; /* the rectangle */
  int out_w, out_h;
  int taps_x, taps_y;
  const int *first_x, *first_y;
  const gint32 *weights_x, *weights_y;
  DefcnYuvTable yuv;
  DefcnTurn turn; /* from the upright picture to the output */
  int upright_w, upright_h;
  const DefcnInputRule *rule;
} DefcnPreprocess;

/* @p: borrows from @scaler until its next call, and @rule. */
void defcn_scaler_describe (DefcnScaler *scaler, DefcnPreprocess *p,
    const DefcnImage *image, int x, int y, int w, int h, int out_w, int out_h,
    const DefcnInputRule *rule);

G_END_DECLS
