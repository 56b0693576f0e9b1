/* One deformable convolution of the CPU's fast backend, for deform_ratio.py.
 *
 * usage: deform-bench IN OUT THREADS STRIDE GROUPS REPETITIONS
 *
 * IN has x, offsets, w, b and dy as safetensors, (n, h, w, c) and (out, 3, 3,
 * in).  Writes y, dx, doffsets, dw and db, and then, for every line "forward"
 * or "step" (that and all gradients) that it reads, milliseconds. */
#include "weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tensors.h"

typedef struct
{
  DefcnBackend *be;
  DefcnNode forward, step; /* prepared for inference, and for training */
  DefcnTensor *x, *offsets, *y, *w, *b;
} Bench;

static void
fail (const char *message)
{
  fprintf (stderr, "deform-bench: %s\n", message);
  exit (1);
}

static float *
read_values (const DefcnWeights *file, const char *name, gint64 dims[4])
{
  const DefcnWeightsTensor *t = defcn_weights_lookup (file, name);
  float *values = t ? g_new (float, t->len) : NULL;

  if (!t || t->n_dims != 4 || !defcn_weights_read (file, t, values, NULL))
    fail (name);
  memcpy (dims, t->dims, 4 * sizeof dims[0]);
  return values;
}

static DefcnTensor *
load (DefcnBackend *be, const DefcnWeights *file, const char *name,
    DefcnTensorRole role)
{
  gint64 dims[4];
  g_autofree float *values = read_values (file, name, dims);
  DefcnTensor *t =
      testing_tensor_new (be, role, dims[0], dims[1], dims[2], dims[3], TRUE);

  testing_tensor_write (be, t, values);
  return t;
}

static void
prepare (Bench *b, DefcnNode *node, int stride, int groups, gboolean train)
{
  *node = (DefcnNode){ .kind = DEFCN_OP_DEFORM_CONV,
    .name = "deform",
    .x = { b->x, b->offsets },
    .y = b->y,
    .w = b->w,
    .b = b->b,
    .size = 3,
    .stride = stride,
    .pad = 1,
    .groups = groups,
    .train = train };
  testing_prepare (b->be, node);
}

static void
run (const Bench *b, gboolean step)
{
  b->be->ops[DEFCN_OP_DEFORM_CONV].forward (b->be,
      step ? &b->step : &b->forward);
  if (step)
    b->be->ops[DEFCN_OP_DEFORM_CONV].backward (b->be, &b->step);
  b->be->sync (b->be, NULL);
}

static void
add (DefcnWeightsWriter *writer, const char *name, const DefcnTensor *t,
    const float *values)
{
  const gint64 dims[] = { t->n, t->h, t->w, t->c };

  defcn_weights_writer_add (writer, name, DEFCN_DTYPE_F32, 4, dims, values);
}

/* What comes out of one step. */
static void
write_results (const Bench *b, const char *path)
{
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  const struct
  {
    const char *name;
    const DefcnTensor *t;
  } gradients[] = { { "dx", b->x }, { "doffsets", b->offsets }, { "dw", b->w },
    { "db", b->b } };
  g_autofree float *y = NULL;

  run (b, TRUE);
  y = testing_tensor_read (b->be, b->y);
  add (writer, "y", b->y, y);
  for (gsize i = 0; i < G_N_ELEMENTS (gradients); i++) {
    g_autofree float *values = testing_tensor_read_grad (b->be, gradients[i].t);

    add (writer, gradients[i].name, gradients[i].t, values);
  }
  if (!defcn_weights_writer_save (writer, path, NULL))
    fail (path);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const double *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

/* The median of @n runs after one that does not count. */
static double
measure (const Bench *b, gboolean step, int n)
{
  g_autofree double *times = g_new (double, n);

  run (b, step);
  for (int i = 0; i < n; i++) {
    const gint64 start = g_get_monotonic_time ();

    run (b, step);
    times[i] = (g_get_monotonic_time () - start) / 1e3;
  }
  qsort (times, n, sizeof *times, compare);
  return times[n / 2];
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnWeights) file = NULL;
  g_autofree float *dy = NULL;
  gint64 dims[4];
  char line[16];
  Bench b;

  if (argc != 7)
    fail ("IN OUT THREADS STRIDE GROUPS REPETITIONS");
  if (!(file = defcn_weights_open (argv[1], &error))
      || !(b.be = defcn_backend_new ("cpu", atoi (argv[3]), &error)))
    fail (error->message);
  b.x = load (b.be, file, "x", DEFCN_TENSOR_ACTIVATION);
  b.offsets = load (b.be, file, "offsets", DEFCN_TENSOR_ACTIVATION);
  b.w = load (b.be, file, "w", DEFCN_TENSOR_PARAM);
  b.b = load (b.be, file, "b", DEFCN_TENSOR_PARAM);
  dy = read_values (file, "dy", dims);
  b.y = testing_tensor_new (b.be, DEFCN_TENSOR_ACTIVATION, dims[0], dims[1],
      dims[2], dims[3], TRUE);
  testing_tensor_write_grad (b.be, b.y, dy);
  prepare (&b, &b.forward, atoi (argv[4]), atoi (argv[5]), FALSE);
  prepare (&b, &b.step, atoi (argv[4]), atoi (argv[5]), TRUE);
  write_results (&b, argv[2]);
  puts ("ready");
  fflush (stdout);
  while (fgets (line, sizeof line, stdin)) {
    printf ("%.6f\n",
        measure (&b, strcmp (line, "step\n") == 0, atoi (argv[6])));
    fflush (stdout);
  }
  testing_release (b.be, &b.forward);
  testing_release (b.be, &b.step);
  return 0;
}
