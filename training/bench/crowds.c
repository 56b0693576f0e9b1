/* `defcn bench`: what comes after the network, by the number of objects. */
#include "crowds.h"

#include "heads.h"

/* How many objects. */
static const int sizes[DEFCN_BENCH_N_CROWDS] = { 1, 10, 100, 500 };

/* Writes one number everywhere into a head of one image. */
static void
fill (const DefcnBench *b, const DefcnTensor *t, float *scratch, float value)
{
  for (gsize i = 0; i < defcn_tensor_len (t); i++)
    scratch[i] = value;
  b->be->upload (b->be, t, t->data, scratch);
}

/* Heads that show @n objects on the finest level, evenly spread, of all classes
 * in turn. */
static void
make_heads (const DefcnBench *b, int n)
{
  const DefcnPlan *plan = b->plan;
  const DefcnTensor *finest = plan->logits[0];
  const int n_locations = finest->h * finest->w;

  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    fill (b, plan->deltas[l], b->heads, 20);
    if (plan->filter[l])
      fill (b, plan->filter[l], b->heads, 8);
    fill (b, plan->logits[l], b->heads, -12);
  }
  for (gsize i = 0; i < defcn_tensor_len (finest); i++)
    b->heads[i] = -12;
  for (int k = 0; k < n; k++)
    b->heads[(gsize) ((gint64) k * n_locations / n) * finest->c
        + k % finest->c] = 4;
  b->be->upload (b->be, finest, finest->data, b->heads);
}

/* As the detector does it: on the device where the backend can. */
static void
find (DefcnBench *b, GArray *candidates, DefcnLevel *levels)
{
  const DefcnSpec *spec = defcn_model_spec (b->model);
  const DefcnPlan *plan = b->plan;
  /* of one box a location, as the decoder has it */
  const DefcnPass *pass = plan->deltas[0]->c == 4 ? b->be->pass : NULL;
  const int most = sizes[DEFCN_BENCH_N_CROWDS - 1];
  DefcnDecodeRule rule = defcn_spec_decode_rule (spec);

  rule.topk = MAX (rule.topk, most);
  rule.max_detections = most;
  if (pass) {
    pass->seek (b->be, spec->threshold, spec->duplicate_iou);
    pass->find (b->be, plan->logits, plan->deltas, plan->filter,
        DEFCN_N_LEVELS);
  }
  if (pass && pass->found (b->be, candidates, 0)) {
    defcn_boxes_select (b->boxes, candidates, levels, DEFCN_N_LEVELS,
        spec->n_classes, &rule);
    return;
  }
  defcn_heads_download (levels, b->heads, b->plan, b->be);
  defcn_boxes_decode (b->boxes, levels, DEFCN_N_LEVELS, spec->n_classes, &rule);
}

gboolean
defcn_bench_crowds_measure (DefcnBench *b, GError **error)
{
  g_autoptr (GArray) candidates =
      g_array_new (FALSE, FALSE, sizeof (DefcnCandidate));
  const DefcnTensor *finest = b->plan->logits[0];
  DefcnLevel levels[DEFCN_N_LEVELS];

  defcn_heads_describe (levels, b->plan);
  for (int i = 0; i < DEFCN_BENCH_N_CROWDS; i++) {
    const int n = MIN (sizes[i], finest->h * finest->w);

    make_heads (b, n);
    for (int at = -1; at < b->crowds[i].n; at++) {
      if (!b->be->sync (b->be, error))
        return FALSE;

      const double start = defcn_bench_stages_now ();
      find (b, candidates, levels);
      b->crowds[i].ms[MAX (at, 0)] = defcn_bench_stages_now () - start;
    }
    b->n_found[i] = b->boxes->len;
  }
  return b->be->sync (b->be, error);
}
