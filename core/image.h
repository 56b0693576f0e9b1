/* Images, and what the network wants of them.
 *
 * One path for training, evaluation and the element: any format is converted
 * to 8-bit R, G, B and resized (scaler.h), normalised, padded.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  DEFCN_FORMAT_RGB,
  DEFCN_FORMAT_BGR,
  DEFCN_FORMAT_RGBA, /* also RGBx: the fourth byte is not looked at */
  DEFCN_FORMAT_BGRA, /* also BGRx */
  DEFCN_FORMAT_GRAY8,
  DEFCN_FORMAT_NV12,
  DEFCN_FORMAT_I420,
  DEFCN_FORMAT_YUY2,
  DEFCN_FORMAT_UYVY,
  DEFCN_FORMAT_NV21, /* NV12 with V before U */
  DEFCN_FORMAT_ARGB, /* also xRGB */
  DEFCN_FORMAT_ABGR, /* also xBGR */
  DEFCN_FORMAT_Y42B, /* planar 4:2:2 */
  DEFCN_FORMAT_Y444, /* planar 4:4:4 */
  /* 10 bits in words of 16, little-endian, rounded to 8 when they are read: */
  DEFCN_FORMAT_P010,    /* NV12 in the upper bits */
  DEFCN_FORMAT_I420_10, /* I420 in the lower bits */
  DEFCN_N_FORMATS
} DefcnFormat;

typedef enum
{
  DEFCN_MATRIX_BT601,
  DEFCN_MATRIX_BT709,
  DEFCN_MATRIX_BT2020,
} DefcnMatrix;

/* What turns an image upright. */
typedef enum
{
  DEFCN_ORIENTATION_UPRIGHT,
  DEFCN_ORIENTATION_RIGHT, /* a quarter to the right, clockwise */
  DEFCN_ORIENTATION_HALF,
  DEFCN_ORIENTATION_LEFT, /* a quarter to the left */
  DEFCN_ORIENTATION_MIRROR,
  DEFCN_ORIENTATION_FLIP,           /* upside down, left stays left */
  DEFCN_ORIENTATION_TRANSPOSE,      /* rows become columns */
  DEFCN_ORIENTATION_ANTI_TRANSPOSE, /* by the other diagonal */
  DEFCN_N_ORIENTATIONS
} DefcnOrientation;

/* Where the pixels of an image are. */
typedef enum
{
  DEFCN_MEMORY_HOST,
  DEFCN_MEMORY_CUDA, /* device pointers: for defcn_detector_reads() to allow */
} DefcnMemory;

/* The widest pixel by its height, and the highest by its width. */
#define DEFCN_IMAGE_MAX_ASPECT 64

/* An image that somebody else owns.  Planes as GStreamer orders them; strides
 * in bytes, at least the plane's row, not necessarily equal to it. */
typedef struct
{
  DefcnFormat format;
  int width, height; /* pixels, any >= 1; odd sizes round chroma up */
  const guint8 *planes[3];
  int strides[3];
  DefcnMatrix matrix;  /* YUV formats */
  gboolean full_range; /* YUV formats and GRAY8: 0..255 instead of 16..235 */
  /* What the network is shown is upright; boxes are of the image as it is. */
  DefcnOrientation orientation;
  int par_n, par_d; /* width of a pixel by its height; 0: square */
  DefcnMemory memory;
  /* MEMORY_CUDA: the CUcontext of the planes, of any device, NULL: the primary
   * one of the detector's; and the CUstream, in that context, which may still
   * be at work on them, NULL: none is. */
  gpointer cuda_context, cuda_stream;
} DefcnImage;

/* What the network wants; part of the model file's metadata. */
typedef struct
{
  int short_edge, long_edge; /* the short side, the limit of the long one */
  int divisor;               /* padded up to a multiple of this, 32 */
  gboolean bgr;              /* channel order B, G, R */
  float mean[3], std[3];     /* in channel order, on 0..255 */
} DefcnInputRule;

/* A rectangle of an image in pixels. */
typedef struct
{
  int x, y, w, h;
} DefcnRegion;

/* Size after the resize: the shorter side is @short_edge, or less so that the
 * longer one is not above @long_edge; rounded to nearest, at least 1. */
void defcn_image_target_size (int *out_w, int *out_h, int width, int height,
    int short_edge, int long_edge);

/* Planes of a format, the bytes of a row of plane @i that are pixels, and how
 * many rows of the image, as a power of two, share one of plane @i. */
int defcn_image_planes (DefcnFormat format);
int defcn_image_row_bytes (const DefcnImage *image, int i);
int defcn_image_row_shift (DefcnFormat format, int i);

/* Where the pixels of an upright picture are in the one before it was turned:
 * pixel x, y is that of column xx x + xy y + x0 and row yx x + yy y + y0. */
typedef struct
{
  int xx, xy, x0, yx, yy, y0;
} DefcnTurn;

/* @w x @h: of the picture before it is turned. */
DefcnTurn defcn_image_turn (DefcnOrientation orientation, int w, int h);
/* TRUE for those that make width of height. */
gboolean defcn_image_turn_swaps (DefcnOrientation orientation);
/* @dst, @w x @h RGB, dense, from the @src of the same turned. */
void defcn_image_turn_run (guint8 *dst, const guint8 *src,
    const DefcnTurn *turn, int w, int h);

/* (float (rgb) - mean) / std in the rule's channel order, into the top left of
 * the (pad_h, pad_w, 3) plane @dst, zeros elsewhere. */
void defcn_image_normalize (float *dst, const guint8 *rgb, int w, int h,
    int pad_w, int pad_h, const DefcnInputRule *rule);

/* Checks what a caller passes: format, size 1..16384, planes, strides, the
 * orientation, a pixel of 1/64 to 64 times its height.
 * FALSE with DEFCN_ERROR_VALUE that names the field. */
gboolean defcn_image_check (const DefcnImage *image, GError **error);

G_END_DECLS
