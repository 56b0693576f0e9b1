/* Tensors and steps on a backend, for tests that have no net around them. */
#include "tensors.h"

#include <math.h>

DefcnTensor *
testing_tensor_new_like (DefcnBackend *be, const DefcnTensor *like,
    gboolean grad)
{
  DefcnTensor *t = g_memdup2 (like, sizeof *like);
  const gsize bytes = be->size (be, t);

  g_assert_cmpuint (bytes % 64, ==, 0);
  g_assert_cmpuint (bytes, >=, defcn_tensor_len (t) * sizeof (guint16));
  t->data = be->alloc (be, bytes);
  g_assert_nonnull (t->data);
  if (grad) {
    t->grad = be->alloc (be, bytes);
    g_assert_nonnull (t->grad);
  }
  return t;
}

DefcnTensor *
testing_tensor_new (DefcnBackend *be, DefcnTensorRole role, int n, int h, int w,
    int c, gboolean grad)
{
  const DefcnTensor like = { .n = n, .h = h, .w = w, .c = c, .role = role };

  return testing_tensor_new_like (be, &like, grad);
}

void
testing_tensor_free (DefcnBackend *be, DefcnTensor *t)
{
  if (!t)
    return;
  be->free (be, t->data);
  if (t->grad)
    be->free (be, t->grad);
  g_free (t);
}

void
testing_tensor_write (DefcnBackend *be, DefcnTensor *t, const float *src)
{
  be->upload (be, t, t->data, src);
  t->version++;
}

void
testing_tensor_write_grad (DefcnBackend *be, DefcnTensor *t, const float *src)
{
  be->upload (be, t, t->grad, src);
}

float *
testing_tensor_read (DefcnBackend *be, const DefcnTensor *t)
{
  float *dst = g_new (float, defcn_tensor_len (t));

  be->download (be, t, dst, t->data);
  return dst;
}

float *
testing_tensor_read_grad (DefcnBackend *be, const DefcnTensor *t)
{
  float *dst = g_new (float, defcn_tensor_len (t));

  be->download (be, t, dst, t->grad);
  return dst;
}

void
testing_prepare (DefcnBackend *be, DefcnNode *node)
{
  g_autoptr (GError) error = NULL;

  if (be->ops[node->kind].prepare)
    be->ops[node->kind].prepare (be, node, &error);
  g_assert_no_error (error);
}

static void
assert_sync (DefcnBackend *be)
{
  g_autoptr (GError) error = NULL;
  gboolean good = be->sync (be, &error);

  g_assert_no_error (error);
  g_assert_true (good);
}

void
testing_forward (DefcnBackend *be, const DefcnNode *node)
{
  be->ops[node->kind].forward (be, node);
  assert_sync (be);
}

void
testing_backward (DefcnBackend *be, const DefcnNode *node)
{
  be->ops[node->kind].backward (be, node);
  assert_sync (be);
}

void
testing_release (DefcnBackend *be, DefcnNode *node)
{
  if (be->ops[node->kind].release)
    be->ops[node->kind].release (be, node);
  g_assert_null (node->state);
}

float *
testing_random (GRand *rand, gsize n, float scale)
{
  float *values = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    values[i] = g_rand_double_range (rand, -scale, scale);
  return values;
}

void
testing_assert_close (const float *a, const float *b, gsize n, double tolerance,
    const char *what)
{
  double largest = 0, worst = -1;
  gsize at = 0;

  for (gsize i = 0; i < n; i++)
    largest = MAX (largest, fabs (b[i]));
  for (gsize i = 0; i < n; i++) {
    double error = fabs ((double) a[i] - b[i]);
    if (!(error <= worst)) {
      worst = error;
      at = i;
    }
    if (isnan (error))
      break;
  }
  if (!(worst <= tolerance * largest))
    g_error ("%s: element %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT
             " is %.9g, wanted %.9g within %.3g",
        what, at, n, a[at], b[at], tolerance * largest);
}
