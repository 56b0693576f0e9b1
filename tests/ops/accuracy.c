/* How far the convolutions of a backend (DEFCN_TEST_BACKEND) are from double
 * precision, layer by layer of the published network, with and without its
 * fast algorithms. */
#include "rig.h"

#include <math.h>
#include <string.h>

#include "../testing.h"

enum
{
  SAMPLES = 2000 /* of a tensor, compared with double precision */
};

typedef struct
{
  const char *name;
  int h, w, c, out; /* 3x3, stride 1 */
  gboolean rectified;
} Layer;

/* Those of; maps are small, they do not enter the error. */
static const Layer layers[] = {
  { "res2", 32, 36, 64, 64, TRUE },
  { "res3", 24, 28, 128, 128, TRUE },
  { "res4", 20, 24, 256, 256, TRUE },
  { "res5", 16, 27, 512, 512, TRUE },
  { "fpn-output", 20, 24, 256, 256, FALSE },
  { "tower", 23, 25, 256, 256, TRUE },
  { "tower-narrow", 23, 25, 128, 128, TRUE },
  { "cls_score", 24, 28, 256, 80, TRUE },
};

typedef enum
{
  Y,
  DX,
  DW,
  N_RESULTS
} Kind;

static const char *const kind_names[N_RESULTS] = { "y", "dx", "dw" };

typedef struct
{
  float *x, *w, *dy;
  float *results[N_RESULTS];
} Values;

static void
values_clear (Values *v)
{
  g_free (v->x);
  g_free (v->w);
  g_free (v->dy);
  for (int i = 0; i < N_RESULTS; i++)
    g_free (v->results[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Values, values_clear)

/* The layer once forward and backward, from the same numbers every time. */
static void
run (Values *v, const Layer *layer, DefcnBackend *be, char **implementation)
{
  const RigShape shape = { DEFCN_OP_CONV, 1, layer->h, layer->w, layer->c,
    layer->out, 3, 1, 1 };
  const gsize pixels = (gsize) layer->h * layer->w;
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  g_autoptr (Rig) rig = rig_new (be, &shape, TRUE);
  DefcnTensor *x = rig->slots[0], *w = rig->slots[SLOT_W];

  v->x = testing_random (rand, pixels * layer->c, 1);
  for (gsize i = 0; layer->rectified && i < pixels * layer->c; i++)
    v->x[i] = MAX (v->x[i], 0);
  v->w = testing_random (rand, (gsize) layer->out * 9 * layer->c,
      sqrtf (3.0f / (9 * layer->c)));
  v->dy = testing_random (rand, pixels * layer->out, 1);

  testing_tensor_write (be, x, v->x);
  testing_tensor_write (be, w, v->w);
  testing_forward (be, &rig->node);
  v->results[Y] = testing_tensor_read (be, rig->node.y);
  testing_tensor_write_grad (be, rig->node.y, v->dy);
  testing_backward (be, &rig->node);
  v->results[DX] = testing_tensor_read_grad (be, x);
  v->results[DW] = testing_tensor_read_grad (be, w);
  *implementation = g_strdup (be->ops[DEFCN_OP_CONV].describe
          ? be->ops[DEFCN_OP_CONV].describe (be, &rig->node)
          : "plain");
}

static double
pixel (const float *map, const Layer *layer, int y, int x, int c, int channels)
{
  const gboolean inside = y >= 0 && y < layer->h && x >= 0 && x < layer->w;

  return inside ? map[((gsize) y * layer->w + x) * channels + c] : 0;
}

/* y[at] */
static double
exact_y (const Values *v, const Layer *l, gsize at)
{
  const int o = at % l->out, x = at / l->out % l->w, y = at / l->out / l->w;
  double sum = 0;

  for (int k = 0; k < 9; k++)
    for (int i = 0; i < l->c; i++)
      sum += v->w[((gsize) o * 9 + k) * l->c + i]
          * pixel (v->x, l, y + k / 3 - 1, x + k % 3 - 1, i, l->c);
  return sum;
}

/* dx[at] */
static double
exact_dx (const Values *v, const Layer *l, gsize at)
{
  const int i = at % l->c, x = at / l->c % l->w, y = at / l->c / l->w;
  double sum = 0;

  for (int k = 0; k < 9; k++)
    for (int o = 0; o < l->out; o++)
      sum += v->w[((gsize) o * 9 + k) * l->c + i]
          * pixel (v->dy, l, y - k / 3 + 1, x - k % 3 + 1, o, l->out);
  return sum;
}

/* dw[at] */
static double
exact_dw (const Values *v, const Layer *l, gsize at)
{
  const int i = at % l->c, k = at / l->c % 9, o = at / l->c / 9;
  double sum = 0;

  for (int y = 0; y < l->h; y++)
    for (int x = 0; x < l->w; x++)
      sum += pixel (v->dy, l, y, x, o, l->out)
          * pixel (v->x, l, y + k / 3 - 1, x + k % 3 - 1, i, l->c);
  return sum;
}

static gsize
result_len (const Layer *l, Kind kind)
{
  const gsize pixels = (gsize) l->h * l->w;

  return kind == Y ? pixels * l->out
      : kind == DX ? pixels * l->c
                   : (gsize) l->out * 9 * l->c;
}

/* Largest |a - exact| of the samples over the largest |exact|. */
static double
error_of (const Values *v, const Layer *l, Kind kind)
{
  static double (*const exact[N_RESULTS]) (const Values *v, const Layer *l,
      gsize at) = { exact_y, exact_dx, exact_dw };
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  double worst = 0, largest = 0;

  for (int n = 0; n < SAMPLES; n++) {
    const gsize at = g_rand_int_range (rand, 0, result_len (l, kind));
    const double wanted = exact[kind](v, l, at);

    worst = MAX (worst, fabs (v->results[kind][at] - wanted));
    largest = MAX (largest, fabs (wanted));
  }
  return worst / largest;
}

/* Every pass of every layer is within 2e-5 of its largest value by Winograd's
 * algorithm and within 2e-6 without; the two are different computations, within
 * 1e-4 of each other; `exact` takes the algorithm away and nothing else does.
 */
static void
test_layer (gconstpointer data)
{
  const Layer *layer = data;
  g_auto (Values) plain = { NULL }, other = { NULL };
  g_autofree char *name = NULL, *other_name = NULL;

  for (int exact = 0; exact < 2; exact++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnBackend) be =
        defcn_backend_new (testing_backend (), 2, &error);

    if (!be) {
      testing_no_backend (error);
      return;
    }
    be->exact = exact;
    run (exact ? &other : &plain, layer, be, exact ? &other_name : &name);
  }
  const gboolean fast = strstr (name, "winograd") != NULL;

  g_assert_null (strstr (other_name, "winograd"));
  g_assert_cmpint (fast, ==, g_str_equal (testing_backend (), "onednn"));
  for (int kind = 0; kind < N_RESULTS; kind++) {
    const gsize len = result_len (layer, kind);
    const double off = error_of (&plain, layer, kind);
    const double exact = error_of (&other, layer, kind);

    g_test_message ("%-12s %3d -> %3d  %-2s  %.1e  exact %.1e", layer->name,
        layer->c, layer->out, kind_names[kind], off, exact);
    g_assert_cmpfloat (off, <=, 2e-5);
    g_assert_cmpfloat (exact, <=, 2e-6);
    testing_assert_close (plain.results[kind], other.results[kind], len, 1e-4,
        kind_names[kind]);
    g_assert_cmpint (memcmp (plain.results[kind], other.results[kind],
                         len * sizeof (float))
            != 0,
        ==, fast);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (layers); i++) {
    g_autofree char *path =
        g_strdup_printf ("/accuracy/%s/%s", testing_backend (), layers[i].name);
    g_test_add_data_func (path, &layers[i], test_layer);
  }
  return g_test_run ();
}
