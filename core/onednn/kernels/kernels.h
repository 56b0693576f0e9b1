/* The kernels that are written in vectors of one block of channels (lanes.h),
 * one table per file and instruction set.
 *
 * "Channels" below are always padded to whole blocks; an activation's plane is
 * one block of one image, (h, w, LANES).
 */
#pragma once

#include <glib.h>

/* Winograd F(4x4, 3x3) over 36 frequencies f.  A tile is 4x4 outputs (6x6
 * inputs); tiles are numbered along rows, then images.
 *   v, m: [f][tile][channel], @stride floats between frequencies
 *   u:    [f][output panel][input channel][2 LANES], a last odd panel LANES */
typedef struct
{
  int h, w;             /* of the map; stride 1, pad 1 */
  int blocks;           /* of channels */
  int tiles_x, tiles_y; /* of one image */
} WinogradMap;

typedef struct
{
  int rows; /* of tiles that gemm() takes at once, at most */
  /* v = B^T x B of @n tiles from @first on. */
  void (*input) (float *v, gsize stride, const float *x, const WinogradMap *map,
      int first, int n);
  /* v = A dy A^T: the way of output() backwards. */
  void (*output_gradient) (float *v, gsize stride, const float *dy,
      const WinogradMap *map, int first, int n);
  /* y = relu? (A^T m A + bias? + add?), then 0 where @mask, unless NULL, is not
   * above 0; @add may be y. */
  void (*output) (float *y, const float *m, gsize stride, const float *bias,
      const float *add, gboolean relu, const float *mask,
      const WinogradMap *map, int first, int n);
  /* One frequency: m (n, out) = v (n, in) u.  An odd n is rounded up: v and m
   * have room for it. */
  void (
      *gemm) (float *m, const float *v, const float *u, int n, int in, int out);
  /* One frequency: u (in, out) = or += v^T (in, n) dm (n, out). */
  void (*gemm_gradient) (float *u, const float *v, const float *dm,
      gboolean accumulate, int n, int in, int out);
  /* u = G w G^T of block @block of outputs; @w: dense OHWI (out, 3, 3, in). */
  void (*weights) (float *u, gsize stride, const float *w, int block, int out,
      int in);
  /* The same of the convolution that takes dy to dx: block @block of its
   * outputs, which are the inputs of @w, rotated by half a turn. */
  void (*weights_turned) (float *u, gsize stride, const float *w, int block,
      int out, int in);
  /* dw += G^T u G for block @block of outputs. */
  void (*weights_gradient) (float *dw, const float *u, gsize stride, int block,
      int out, int in);
} WinogradKernels;

extern const WinogradKernels defcn_winograd_base;
extern const WinogradKernels defcn_winograd_avx2;
extern const WinogradKernels defcn_winograd_avx512;

/* A depthwise 3x3 convolution, pad 1, of one plane. */
typedef struct
{
  int h, w, out_h, out_w;
  int stride;          /* 1 or 2 */
  gboolean relu;       /* dy counts where y > 0 */
  gboolean x_relu;     /* dx is wanted where x > 0, else 0 */
  gboolean accumulate; /* dx += */
} DepthwiseShape;

typedef struct
{
  /* dx, unless NULL, and sums[10][LANES]: dw of the nine taps, then db.
   * w: [9][LANES].  rows: scratch of 3 (out_w + 2) LANES. */
  void (*backward) (float *dx, float *sums, const float *dy, const float *y,
      const float *x, const float *w, const DepthwiseShape *shape, float *rows);
} DepthwiseKernels;

extern const DepthwiseKernels defcn_depthwise_base;
extern const DepthwiseKernels defcn_depthwise_avx2;
extern const DepthwiseKernels defcn_depthwise_avx512;

/* Where a tap of a deformable convolution reads: the four pixels around, by
 * their first float in a plane, and what each of them counts, mask included. */
typedef struct
{
  gint32 at[4];
  float weight[4];
} DeformTap;

/* Their shares without the mask, and how the weights change per pixel that the
 * tap goes down or right. */
typedef struct
{
  float share[4], down[4], right[4];
} DeformSlopes;

/* @plane: floats between blocks of channels; columns: (tap, block), as many
 * taps as the locations have together; rows: (location, block). */
typedef struct
{
  /* columns of @n taps. */
  void (*sample) (float *columns, const float *x, gsize plane,
      const DeformTap *taps, int n, int blocks);
  /* dx += for one block what sample() gave to dcolumns, whose taps are @step
   * apart. */
  void (*spread) (float *dx, const float *dcolumns, gsize step,
      const DeformTap *taps, int n);
  /* sums (tap, 3): gradients of down, right and the mask. */
  void (*slopes) (float *sums, const float *dcolumns, const float *x,
      gsize plane, const DeformTap *taps, const DeformSlopes *slopes, int n,
      int blocks);
  /* y = relu? (rows + bias? + add?) of @n locations. */
  void (*finish) (float *y, gsize plane, const float *rows, const float *bias,
      const float *add, gboolean relu, int n, int blocks);
  /* rows = y. */
  void (*gather) (float *rows, const float *y, gsize plane, int n, int blocks);
} DeformKernels;

extern const DeformKernels defcn_deform_base;
extern const DeformKernels defcn_deform_avx2;
extern const DeformKernels defcn_deform_avx512;

/* 3D max filtering.  Bilinear taps of one axis: w1 of i1, 1 - w1 of i0. */
typedef struct
{
  int *i0, *i1;
  float *w1;
} TubeAxis;

typedef struct
{
  /* dst: (h, w), src_w: width of src. */
  void (*resize) (float *dst, const float *src, const TubeAxis *x,
      const TubeAxis *y, int h, int w, int src_w);
  /* dsrc += what resize() gave to ddst. */
  void (*resize_gradient) (float *dsrc, const float *ddst, const TubeAxis *x,
      const TubeAxis *y, int h, int w, int src_w);
  /* y = relu? (residual + maximum over levels and window); scratch: a plane
   * and a row. */
  void (*maximum) (float *y, const float *residual, const float *const *levels,
      int n_levels, int phi, gboolean relu, int h, int w, float *scratch);
  /* The same; winners: (level * phi + row) * phi + column of the first. */
  void (*keep_winners) (float *y, guint16 *winners, const float *residual,
      const float *const *levels, int n_levels, int phi, gboolean relu, int h,
      int w);
  /* dlevel = or += dy where it came from @level. */
  void (*gather_gradient) (float *dlevel, const float *dy,
      const guint16 *winners, int level, int phi, gboolean accumulate, int h,
      int w);
} TubeKernels;

extern const TubeKernels defcn_tube_base;
extern const TubeKernels defcn_tube_avx2;
extern const TubeKernels defcn_tube_avx512;

/* How fast the vector units are. */
typedef struct
{
  /* @n rounds of multiply-adds in registers; @sums: 16 numbers near 1, of
   * which some are overwritten with what came out. */
  void (*spin) (float *sums, int n);
  int flop; /* multiplications and additions of a round */
} PeakKernels;

extern const PeakKernels defcn_peak_base;
extern const PeakKernels defcn_peak_avx2;
extern const PeakKernels defcn_peak_avx512;
/* In pairs of bfloat16. */
extern const PeakKernels defcn_peak_bfloat;

/* 1x1 convolution in bfloat16.
 *   v: [input block][pixel][LANES], @stride numbers between blocks
 *   u: [output panel][pair of inputs][2 LANES][2], a last odd panel LANES */
typedef struct
{
  /* v = @n pixels of @blocks planes from x on, every @step-th of a row. */
  void (*round_pixels) (guint16 *v, gsize stride, const float *x, gsize plane,
      int blocks, int n, int step);
  /* Block @block of outputs of u; @w: dense (out, in). */
  void (*weights) (guint16 *u, const float *w, int block, int out, int in);
  /* y = relu? (u v + bias + add?) of @n pixels; @plane: floats between blocks
   * of y and of @add, which may be y. */
  void (*multiply) (float *y, gsize plane, const guint16 *v, gsize stride,
      const guint16 *u, const float *bias, const float *add, gboolean relu,
      int n, int in_blocks, int out_blocks);
} BfloatKernels;

extern const BfloatKernels defcn_bfloat_avx512;
