/* The network's input: images resized, turned, normalised, padded. */
#include "input.h"

#include <string.h>

#include "scaler.h"

/* Scratch memory that only grows. */
typedef struct
{
  gpointer data;
  gsize size;
} Scratch;

struct _DefcnInput
{
  DefcnBackend *be;
  const DefcnInputRule *rule;
  DefcnScaler *scaler;
  Scratch rgb, turned; /* the resized image, and upright */
  Scratch floats;
};

DefcnInput *
defcn_input_new (DefcnBackend *be, const DefcnInputRule *rule)
{
  DefcnInput *input = g_new0 (DefcnInput, 1);

  input->be = be;
  input->rule = rule;
  input->scaler = defcn_scaler_new ();
  defcn_scaler_set_threads (input->scaler, be->threads);
  return input;
}

void
defcn_input_free (DefcnInput *input)
{
  if (!input)
    return;
  defcn_scaler_free (input->scaler);
  g_free (input->rgb.data);
  g_free (input->turned.data);
  g_free (input->floats.data);
  g_free (input);
}

/* NULL where there is no memory. */
static gpointer
scratch_get (Scratch *scratch, gsize size)
{
  if (scratch->size < size) {
    g_free (scratch->data);
    scratch->data = g_try_malloc (size);
    scratch->size = scratch->data ? size : 0;
  }
  return scratch->data;
}

gboolean
defcn_input_no_memory (const DefcnPlace *place, GError **error)
{
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "no memory for a picture of %d x %d", place->w, place->h);
  return FALSE;
}

/* The image and the place of number @k of the batch. */
static const DefcnPlace *
take (const DefcnImage **image, const DefcnImage *images, const GArray *places,
    const GArray *batch, guint k)
{
  const int i = g_array_index (batch, int, k);

  *image = &images[i];
  return &g_array_index (places, DefcnPlace, i);
}

gboolean
defcn_input_place (DefcnInput *input, const DefcnTensor *x,
    const DefcnImage *images, const GArray *places, const GArray *batch)
{
  DefcnBackend *be = input->be;

  if (!be->pass)
    return FALSE;
  for (guint k = 0; k < batch->len; k++) {
    const DefcnImage *image;
    const DefcnPlace *place = take (&image, images, places, batch, k);
    const DefcnRegion *r = &place->region;
    DefcnPreprocess p;

    defcn_scaler_describe (input->scaler, &p, image, r->x, r->y, r->w, r->h,
        place->w, place->h, input->rule);
    if (!be->pass->place (be, x, k, image, &p))
      return FALSE;
  }
  for (int k = batch->len; k < x->n; k++)
    if (!be->pass->place (be, x, k, NULL, NULL))
      return FALSE;
  return TRUE;
}

/* The region at the size of @place, turned upright; valid until the next one.
 * NULL where there is no memory. */
static const guint8 *
scale_upright (DefcnInput *input, const DefcnImage *image,
    const DefcnPlace *place)
{
  const DefcnTurn turn =
      defcn_image_turn (image->orientation, place->w, place->h);
  const DefcnRegion *r = &place->region;
  const gsize size = (gsize) place->w * place->h * 3;
  const gboolean upright = image->orientation == DEFCN_ORIENTATION_UPRIGHT;
  guint8 *rgb = scratch_get (&input->rgb, size), *turned = NULL;

  if (!upright)
    turned = scratch_get (&input->turned, size);
  if (!rgb || (!upright && !turned))
    return NULL;
  defcn_scaler_run (input->scaler, rgb, image, r->x, r->y, r->w, r->h, place->w,
      place->h);
  if (upright)
    return rgb;
  defcn_image_turn_run (turned, rgb, &turn, place->upright_w, place->upright_h);
  return turned;
}

gboolean
defcn_input_upload (DefcnInput *input, const DefcnTensor *x,
    const DefcnImage *images, const GArray *places, const GArray *batch,
    GError **error)
{
  DefcnBackend *be = input->be;
  const gsize each = (gsize) x->h * x->w * 3;
  float *floats =
      scratch_get (&input->floats, defcn_tensor_len (x) * sizeof *floats);

  for (guint k = 0; k < batch->len; k++) {
    const DefcnImage *image;
    const DefcnPlace *place = take (&image, images, places, batch, k);

    if (!floats)
      return defcn_input_no_memory (place, error);
    if (image->memory != DEFCN_MEMORY_HOST) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
          "%s: no memory to take a %dx%d image from the device", be->name,
          image->width, image->height);
      return FALSE;
    }
    const guint8 *rgb = scale_upright (input, image, place);
    if (!rgb)
      return defcn_input_no_memory (place, error);
    defcn_image_normalize (floats + k * each, rgb, place->upright_w,
        place->upright_h, x->w, x->h, input->rule);
  }
  memset (floats + batch->len * each, 0,
      (x->n - batch->len) * each * sizeof *floats);
  be->upload (be, x, x->data, floats);
  return TRUE;
}
