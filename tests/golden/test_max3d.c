/* The 3DMF module against the golden set's values, forward and backward, on the
 * backend under test. */
#include "golden.h"
#include "vectors.h"

#include <stdio.h>
#include <string.h>

#define N_LEVELS 5
#define GROUPS 32 /* of the norm */
#define ZERO_NOISE 1e-3

/* The steps of the 3DMF module over the levels. */
typedef struct
{
  int n_levels;
  DefcnTensor *x[N_LEVELS], *filtered[N_LEVELS], *tube[N_LEVELS], *z[N_LEVELS];
  DefcnTensor *conv_w, *conv_b, *norm_w, *norm_b; /* norm: NULL without */
  DefcnNode conv[N_LEVELS], max[N_LEVELS], norm[N_LEVELS];
} Module;

static void
module_tensors (Module *m, Vectors *vectors)
{
  gboolean norm = vectors_has (vectors, "norm.", "weight");

  memset (m, 0, sizeof *m);
  m->conv_w = vectors_load (vectors, DEFCN_TENSOR_PARAM, "conv.", "weight");
  m->conv_b = vectors_load (vectors, DEFCN_TENSOR_PARAM, "conv.", "bias");
  if (norm) {
    m->norm_w = vectors_load (vectors, DEFCN_TENSOR_PARAM, "norm.", "weight");
    m->norm_b = vectors_load (vectors, DEFCN_TENSOR_PARAM, "norm.", "bias");
  }
  for (int l = 0; l < N_LEVELS; l++) {
    g_autofree char *name = g_strdup_printf ("%d", l);
    if (!vectors_has (vectors, "x.", name))
      break;
    m->n_levels++;
    m->x[l] = vectors_load (vectors, DEFCN_TENSOR_ACTIVATION, "x.", name);
    m->filtered[l] = vectors_output (vectors, "x.", name);
    m->tube[l] = vectors_output (vectors, "x.", name);
    m->z[l] = norm ? vectors_output (vectors, "x.", name) : m->tube[l];
  }
}

/* The backward order is that of the levels, norm, max, then conv. */
static void
module_nodes (Module *m, int tau, int phi)
{
  gboolean written[N_LEVELS] = { FALSE };

  for (int l = 0; l < m->n_levels; l++) {
    int first = MAX (l - tau / 2, 0), last = MIN (l + tau / 2, m->n_levels - 1);
    DefcnNode *max = &m->max[l];
    /* x[l] gets its first gradient as the tube's residual */
    m->conv[l] = (DefcnNode){ DEFCN_OP_CONV, "conv", { m->x[l] },
      m->filtered[l], m->conv_w, m->conv_b, .size = 3, .stride = 1, .pad = 1,
      .groups = 1, .train = TRUE, .accumulate = { TRUE } };
    m->norm[l] =
        (DefcnNode){ DEFCN_OP_GROUP_NORM, "norm", { m->tube[l] }, m->z[l],
          m->norm_w, m->norm_b, .groups = GROUPS, .relu = TRUE, .train = TRUE };
    *max = (DefcnNode){ DEFCN_OP_TUBE_MAX, "max", { m->x[l] }, m->tube[l],
      .n_levels = last - first + 1, .self = l - first, .phi = phi,
      .relu = m->norm_w == NULL, .train = TRUE };
    for (int k = first; k <= last; k++) {
      max->x[1 + k - first] = m->filtered[k];
      max->accumulate[1 + k - first] = written[k];
      written[k] = TRUE;
    }
  }
}

static void
module_run (Module *m, Vectors *vectors)
{
  DefcnBackend *be = vectors->be;

  for (int l = 0; l < m->n_levels; l++) {
    testing_prepare (be, &m->conv[l]);
    testing_prepare (be, &m->max[l]);
    if (m->norm_w)
      testing_prepare (be, &m->norm[l]);
  }
  for (int l = 0; l < m->n_levels; l++)
    testing_forward (be, &m->conv[l]);
  for (int l = 0; l < m->n_levels; l++) {
    testing_forward (be, &m->max[l]);
    if (m->norm_w)
      testing_forward (be, &m->norm[l]);
  }
  for (int l = 0; l < m->n_levels; l++) {
    g_autofree char *name = g_strdup_printf ("gout.%d", l);
    vectors_load_grad (vectors, m->z[l], "", name);
    if (m->norm_w)
      testing_backward (be, &m->norm[l]);
    testing_backward (be, &m->max[l]);
  }
  for (int l = 0; l < m->n_levels; l++)
    testing_backward (be, &m->conv[l]);
  for (int l = 0; l < m->n_levels; l++) {
    testing_release (be, &m->conv[l]);
    testing_release (be, &m->max[l]);
    if (m->norm_w)
      testing_release (be, &m->norm[l]);
  }
}

/* A gradient against the file's.  That of a bias in front of a group norm with
 * one channel per group is zero in theory: there it is compared absolutely. */
static void
check_param (Vectors *vectors, const DefcnTensor *t, const char *variant,
    const char *name, gboolean is_zero)
{
  const double noise = vectors->noise;

  if (!vectors_has (vectors, variant, name))
    return;
  if (is_zero)
    vectors->noise = ZERO_NOISE;
  vectors_assert (vectors, t, TRUE, variant, name);
  vectors->noise = noise;
}

/* Compares what the file has of "@variant...". */
static void
module_check (Module *m, Vectors *vectors, const char *variant)
{
  for (int l = 0; l < m->n_levels; l++) {
    const gsize pixels = (gsize) m->z[l]->h * m->z[l]->w;
    g_autofree char *y = g_strdup_printf ("y.%d", l);
    g_autofree char *gx = g_strdup_printf ("gx.%d", l);
    const gsize group = m->norm_w ? pixels * m->z[l]->c / GROUPS : G_MAXSIZE;
    /* PyTorch computes x / std - mean / std, which for a group of one value
     * are large and cancel. */
    vectors->forward = group == 1 ? 1e-4 : FORWARD_TOLERANCE;
    vectors_assert (vectors, m->z[l], FALSE, variant, y);
    /* The gradient of a group of two values nearly cancels: PyTorch is 3e-4
     * away from the value in double precision; of one value it is zero. */
    vectors->gradient = group <= 4 ? 1e-3 : GRADIENT_TOLERANCE;
    vectors->noise = group == 1 ? ZERO_NOISE : NOISE;
    if (vectors_has (vectors, variant, gx))
      vectors_assert (vectors, m->x[l], TRUE, variant, gx);
  }
  vectors->gradient = GRADIENT_TOLERANCE;
  vectors->noise = NOISE;
  check_param (vectors, m->conv_w, variant, "g_conv.weight", FALSE);
  check_param (vectors, m->conv_b, variant, "g_conv.bias",
      m->norm_w && m->conv_b->c == GROUPS);
  check_param (vectors, m->norm_w, variant, "g_norm.weight", FALSE);
  check_param (vectors, m->norm_b, variant, "g_norm.bias", FALSE);
}

/* 3D max filtering for every tau and phi that the file has. */
static void
test_max3d (gconstpointer below)
{
  g_auto (Vectors) vectors = { NULL };
  int n_variants = 0;

  if (!vectors_open (&vectors, below))
    return;
  for (guint i = 0; i < defcn_weights_count (vectors.file); i++) {
    const DefcnWeightsTensor *t = defcn_weights_get (vectors.file, i);
    g_autofree char *variant = NULL;
    int tau, phi, end = 0;
    Module module;

    if (sscanf (t->name, "tau%d_phi%d.y.0%n", &tau, &phi, &end) != 2
        || end == 0)
      continue;
    variant = g_strdup_printf ("tau%d_phi%d.", tau, phi);
    module_tensors (&module, &vectors);
    module_nodes (&module, tau, phi);
    module_run (&module, &vectors);
    module_check (&module, &vectors, variant);
    n_variants++;
  }
  g_test_message ("%d variants", n_variants);
  g_assert_cmpint (n_variants, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  testing_golden_add ("/golden", "ops/max3d_*.safetensors", test_max3d);
  return g_test_run ();
}
