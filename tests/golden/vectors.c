/* Tensors from a file of golden vectors on the backend under test. */
#include "vectors.h"
#include "testing.h"

#include <math.h>
#include <string.h>

gboolean
vectors_open (Vectors *vectors, const char *below)
{
  g_autofree char *path = testing_golden (below);
  g_autofree char *message = NULL;
  g_autoptr (GError) error = NULL;

  memset (vectors, 0, sizeof *vectors);
  if (!path) {
    message = g_strdup_printf ("no golden file %s", below);
    g_test_skip (message);
    return FALSE;
  }
  vectors->be = defcn_backend_new (testing_backend (), 2, &error);
  if (!vectors->be) {
    testing_no_backend (error);
    return FALSE;
  }
  vectors->file = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  vectors->tensors = g_ptr_array_new ();
  vectors->forward = FORWARD_TOLERANCE;
  vectors->gradient = GRADIENT_TOLERANCE;
  vectors->noise = NOISE;
  return TRUE;
}

void
vectors_close (Vectors *vectors)
{
  for (guint i = 0; vectors->tensors && i < vectors->tensors->len; i++)
    testing_tensor_free (vectors->be, vectors->tensors->pdata[i]);
  g_clear_pointer (&vectors->tensors, g_ptr_array_unref);
  defcn_weights_free (vectors->file);
  defcn_backend_free (vectors->be);
}

char **
vectors_cases (const Vectors *vectors, const char *prefix, const char *end)
{
  GStrvBuilder *cases = g_strv_builder_new ();

  for (guint i = 0; i < defcn_weights_count (vectors->file); i++) {
    const char *name = defcn_weights_get (vectors->file, i)->name;

    if (g_str_has_prefix (name, prefix) && g_str_has_suffix (name, end)) {
      g_autofree char *start = g_strndup (name, strlen (name) - strlen (end));

      g_strv_builder_add (cases, start);
    }
  }
  char **all = g_strv_builder_end (cases);
  g_strv_builder_unref (cases);
  return all;
}

gboolean
vectors_has (const Vectors *vectors, const char *case_name, const char *name)
{
  g_autofree char *full = g_strconcat (case_name, name, NULL);

  return defcn_weights_lookup (vectors->file, full) != NULL;
}

float *
vectors_values (const Vectors *vectors, const char *case_name, const char *name,
    int *dims)
{
  g_autofree char *full = g_strconcat (case_name, name, NULL);
  const DefcnWeightsTensor *t = defcn_weights_lookup (vectors->file, full);
  g_autofree float *values = NULL;
  g_autoptr (GError) error = NULL;
  float *out;

  if (!t)
    g_error ("no tensor \"%s\"", full);
  values = g_new (float, t->len);
  defcn_weights_read (vectors->file, t, values, &error);
  g_assert_no_error (error);
  if (t->n_dims == 1) {
    dims[0] = dims[1] = dims[2] = 1;
    dims[3] = t->dims[0];
    return g_steal_pointer (&values);
  }
  g_assert_cmpint (t->n_dims, ==, 4);
  dims[0] = t->dims[0];
  dims[1] = t->dims[2];
  dims[2] = t->dims[3];
  dims[3] = t->dims[1];
  out = g_new (float, t->len);
  for (int n = 0, i = 0; n < dims[0]; n++)
    for (int c = 0; c < dims[3]; c++)
      for (int p = 0; p < dims[1] * dims[2]; p++)
        out[((gsize) n * dims[1] * dims[2] + p) * dims[3] + c] = values[i++];
  return out;
}

static DefcnTensor *
new_tensor (Vectors *vectors, DefcnTensorRole role, const int *dims)
{
  DefcnTensor *t = testing_tensor_new (vectors->be, role, dims[0], dims[1],
      dims[2], dims[3], TRUE);

  g_ptr_array_add (vectors->tensors, t);
  return t;
}

DefcnTensor *
vectors_load (Vectors *vectors, DefcnTensorRole role, const char *case_name,
    const char *name)
{
  int dims[4];
  g_autofree float *values = vectors_values (vectors, case_name, name, dims);
  DefcnTensor *t = new_tensor (vectors, role, dims);

  testing_tensor_write (vectors->be, t, values);
  return t;
}

DefcnTensor *
vectors_output (Vectors *vectors, const char *case_name, const char *name)
{
  int dims[4];

  g_free (vectors_values (vectors, case_name, name, dims));
  return new_tensor (vectors, DEFCN_TENSOR_ACTIVATION, dims);
}

void
vectors_load_grad (Vectors *vectors, DefcnTensor *t, const char *case_name,
    const char *name)
{
  int dims[4];
  g_autofree float *values = vectors_values (vectors, case_name, name, dims);

  testing_tensor_write_grad (vectors->be, t, values);
}

static gboolean
is_noise (const float *values, gsize len, double noise)
{
  for (gsize i = 0; i < len; i++)
    if (!(fabs (values[i]) < noise))
      return FALSE;
  return TRUE;
}

void
vectors_assert (const Vectors *vectors, const DefcnTensor *t, gboolean grad,
    const char *case_name, const char *name)
{
  int dims[4];
  g_autofree float *wanted = vectors_values (vectors, case_name, name, dims);
  g_autofree float *values = grad ? testing_tensor_read_grad (vectors->be, t)
                                  : testing_tensor_read (vectors->be, t);
  g_autofree char *what = g_strconcat (case_name, name, NULL);
  gsize len = defcn_tensor_len (t);

  g_assert_cmpint (t->n, ==, dims[0]);
  g_assert_cmpint (t->h, ==, dims[1]);
  g_assert_cmpint (t->w, ==, dims[2]);
  g_assert_cmpint (t->c, ==, dims[3]);
  if (grad && is_noise (wanted, len, vectors->noise)
      && is_noise (values, len, vectors->noise))
    return;
  testing_assert_close (values, wanted, len,
      grad ? vectors->gradient : vectors->forward, what);
}
