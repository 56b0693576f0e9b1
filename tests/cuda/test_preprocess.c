/* Preprocessing on the CUDA module gives the very numbers of the host, in every
 * precision: every format, odd sizes, strides with room, rectangles, enlarging
 * and reducing, pictures that have to be turned. */
#include "scaler.h"

#include <string.h>

#include "../testing.h"
#include "../tensors.h"

typedef struct
{
  int w, h;         /* of the image */
  int x, y, rw, rh; /* the rectangle */
  int out_w, out_h;
  gboolean bgr, full_range;
  DefcnMatrix matrix;
} Case;

static const Case cases[] = {
  { 64, 48, 0, 0, 64, 48, 32, 24, TRUE, FALSE, DEFCN_MATRIX_BT601 },
  { 63, 47, 0, 0, 63, 47, 32, 24, FALSE, TRUE, DEFCN_MATRIX_BT709 },
  { 63, 47, 5, 7, 40, 33, 31, 29, TRUE, FALSE, DEFCN_MATRIX_BT709 },
  { 63, 47, 5, 7, 41, 33, 41, 33, TRUE, FALSE, DEFCN_MATRIX_BT2020 },
  { 20, 10, 0, 0, 20, 10, 64, 32, FALSE, FALSE, DEFCN_MATRIX_BT601 },
  { 300, 20, 1, 1, 299, 19, 40, 3, TRUE, FALSE, DEFCN_MATRIX_BT601 },
  { 1, 1, 0, 0, 1, 1, 5, 7, TRUE, TRUE, DEFCN_MATRIX_BT601 },
};

/* @values, of an image, as a tensor like @input keeps them. */
static float *
rounded_as (DefcnBackend *be, const DefcnTensor *input, const float *values,
    gsize len)
{
  DefcnTensor like = *input;

  like.n = 1;
  DefcnTensor *kept = testing_tensor_new_like (be, &like, FALSE);
  testing_tensor_write (be, kept, values);
  float *rounded = testing_tensor_read (be, kept);
  for (gsize i = 0; i < len; i++)
    g_assert_true (ABS (rounded[i] - values[i]) <= ABS (values[i]) / 128);
  testing_tensor_free (be, kept);
  return rounded;
}

/* Noise in planes whose strides have room. */
static void
make_image (DefcnImage *image, guint8 **memory, GRand *rand, const Case *c,
    DefcnFormat format)
{
  const int stride = c->w * 4 + 13, rows = c->h + 1;

  *memory = g_malloc ((gsize) 3 * stride * rows);
  for (int i = 0; i < 3 * stride * rows; i++)
    (*memory)[i] = g_rand_int (rand) >> 24;
  *image = (DefcnImage){ format, c->w, c->h, { NULL }, { 0 }, c->matrix,
    c->full_range };
  for (int i = 0; i < defcn_image_planes (format); i++) {
    image->planes[i] = *memory + (gsize) i * stride * rows;
    image->strides[i] = stride;
  }
}

static void
check_format (DefcnBackend *be, DefcnFormat format)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (format);
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();

  for (guint i = 0; i < 2 * G_N_ELEMENTS (cases); i++) { /* and again */
    const Case *c = &cases[i % G_N_ELEMENTS (cases)];
    const DefcnInputRule rule = { .bgr = c->bgr,
      .mean = { 103.53f, 116.28f, 123.675f },
      .std = { 1, 57.5f, 58.395f } };
    const DefcnOrientation orientation = i % DEFCN_N_ORIENTATIONS;
    const gboolean swaps = defcn_image_turn_swaps (orientation);
    const DefcnTurn turn = defcn_image_turn (orientation, c->out_w, c->out_h);
    const int w = swaps ? c->out_h : c->out_w, h = swaps ? c->out_w : c->out_h;
    const int pad_w = (w + 31) / 32 * 32, pad_h = (h + 31) / 32 * 32;
    const gsize len = (gsize) pad_w * pad_h * 3;
    DefcnTensor *input =
        testing_tensor_new (be, DEFCN_TENSOR_INPUT, 2, pad_h, pad_w, 3, FALSE);
    g_autofree guint8 *memory = NULL;
    g_autofree guint8 *rgb = g_malloc ((gsize) c->out_w * c->out_h * 3);
    g_autofree guint8 *upright = g_malloc ((gsize) w * h * 3);
    g_autofree float *wanted = g_new (float, len);
    DefcnPreprocess p;
    DefcnImage image;

    make_image (&image, &memory, rand, c, format);
    defcn_scaler_run (scaler, rgb, &image, c->x, c->y, c->rw, c->rh, c->out_w,
        c->out_h);
    defcn_image_turn_run (upright, rgb, &turn, w, h);
    defcn_image_normalize (wanted, upright, w, h, pad_w, pad_h, &rule);
    image.orientation = orientation;
    defcn_scaler_describe (scaler, &p, &image, c->x, c->y, c->rw, c->rh,
        c->out_w, c->out_h, &rule);
    g_assert_true (be->preprocess (be, input, 1, &image, &p));
    g_autofree float *found = testing_tensor_read (be, input);
    g_autofree float *rounded = rounded_as (be, input, wanted, len);
    g_assert_cmpmem (found + len, len * sizeof (float), rounded,
        len * sizeof (float));
    testing_tensor_free (be, input);
  }
}

static void
test_format (gconstpointer data)
{
  static const char *const precisions[] = { "fp32", "fp16", "bf16" };

  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnBackend) be =
        defcn_backend_new_in ("cuda", precisions[i], 1, &error);

    if (be)
      check_format (be, GPOINTER_TO_INT (data));
    else
      testing_no_backend (error);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (int i = 0; i < DEFCN_N_FORMATS; i++) {
    g_autofree char *path = g_strdup_printf ("/cuda/preprocess/%d", i);
    g_test_add_data_func (path, GINT_TO_POINTER (i), test_format);
  }
  return g_test_run ();
}
