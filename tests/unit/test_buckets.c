/* Buckets of gradients: when one is sent off, and that all come back. */
#include "train/buckets.h"
#include "hub.h"

#define N_PARAMS 5

static const int lens[N_PARAMS] = { 3, 4, 2, 9, 1 };

typedef struct
{
  DefcnBackend *be;
  DefcnTensor params[N_PARAMS];
} Bed;

static void
bed_init (Bed *bed)
{
  bed->be = defcn_backend_new ("reference", 1, NULL);
  for (int i = 0; i < N_PARAMS; i++) {
    DefcnTensor *t = &bed->params[i];

    *t = (DefcnTensor){ .n = 1,
      .h = 1,
      .w = 1,
      .c = lens[i],
      .role = DEFCN_TENSOR_PARAM };
    t->grad = bed->be->alloc (bed->be, bed->be->size (bed->be, t));
  }
}

static void
bed_clear (Bed *bed)
{
  for (int i = 0; i < N_PARAMS; i++)
    bed->be->free (bed->be, bed->params[i].grad);
  defcn_backend_free (bed->be);
}

static void
fill (Bed *bed, int rank, int round)
{
  for (int i = 0; i < N_PARAMS; i++)
    for (int k = 0; k < lens[i]; k++)
      bed->params[i].grad[k] = 1000 * round + 100 * rank + 10 * i + k;
}

typedef struct
{
  gsize bytes;
  guint n_buckets;
  guint begun[N_PARAMS]; /* after each parameter, from the second round on */
} Case;

static void
play (DefcnRanks *ranks, gpointer data)
{
  const Case *c = data;
  const int rank = defcn_ranks_rank (ranks);
  guint64 whole = 0;
  Bed bed;

  bed_init (&bed);
  DefcnBuckets *buckets = defcn_buckets_new (ranks, NULL, bed.be, c->bytes);
  for (int round = 0; round < 3; round++) {
    const guint64 before = defcn_ranks_summed (ranks);
    gsize offset = 0;

    fill (&bed, rank, round);
    for (int i = 0; i < N_PARAMS; i++) {
      defcn_buckets_tell (&bed.params[i], buckets);
      offset = defcn_ranks_summed (ranks) - before;
      g_assert_cmpuint (offset, ==, round ? 4 * c->begun[i] : 0);
    }
    g_assert_true (defcn_buckets_finish (buckets, NULL));
    whole = defcn_ranks_summed (ranks) - before;
    g_assert_cmpuint (whole, ==, 4 * (3 + 4 + 2 + 9 + 1));
    g_assert_cmpuint (defcn_buckets_count (buckets), ==, c->n_buckets);
    for (int i = 0; i < N_PARAMS; i++)
      for (int k = 0; k < lens[i]; k++)
        g_assert_cmpfloat (bed.params[i].grad[k], ==,
            3 * (1000 * round + 10 * i + k) + 300);
  }
  defcn_ranks_free (ranks, TRUE);
  defcn_buckets_free (buckets);
  bed_clear (&bed);
}

/* A bucket goes as soon as its last parameter is told of, but for the first
 * round, which shows which there are; one that is larger than a bucket is one.
 * What comes back are the sums. */
static void
test_buckets (void)
{
  Case cases[] = {
    { 1, 5, { 3, 7, 9, 18, 19 } },
    { 7 * 4, 4, { 0, 7, 9, 18, 19 } }, /* 3 + 4, 2, 9, 1 */
    { 6 * 4, 4, { 3, 3, 9, 18, 19 } }, /* 3, 4 + 2, 9, 1 */
    { 12 * 4, 2, { 0, 0, 9, 9, 19 } },
    { 0, 1, { 0, 0, 0, 0, 19 } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    hub_run (3, play, &cases[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/buckets/buckets", test_buckets);
  return g_test_run ();
}
