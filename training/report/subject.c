/* A model that the report measures itself. */
#include "subject.h"

#include "verdict.h"

static void
array_free (gpointer data)
{
  g_array_unref (data);
}

DefcnSubject *
defcn_subject_open (const DefcnHistory *history,
    const DefcnDetectorOptions *device, GError **error)
{
  g_autoptr (DefcnSubject) s = g_new0 (DefcnSubject, 1);

  s->history = history;
  g_autoptr (DefcnWeights) weights = defcn_weights_open (history->model, error);
  if (!weights)
    return NULL;
  s->be = defcn_device_options_open (device, history->model, error);
  s->model = s->be ? defcn_model_open (weights, s->be, FALSE, error) : NULL;
  return s->model ? g_steal_pointer (&s) : NULL;
}

/* Judges what counts in use. */
static void
judge_boxes (guint i, const GArray *boxes, gpointer data)
{
  DefcnSubject *s = data;
  g_autoptr (GArray) kept = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) objects = defcn_dataset_objects (s->dataset, i);

  for (guint k = 0; k < boxes->len; k++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, k);

    if (b->score > s->figures.working_threshold)
      g_array_append_val (kept, *b);
  }
  g_return_if_fail (i == s->verdicts->len);
  GArray *verdicts = defcn_verdict_find (kept, objects);
  defcn_verdict_count (s->confusion, defcn_model_spec (s->model)->n_classes,
      verdicts);
  g_ptr_array_add (s->verdicts, verdicts);
}

DefcnSubject *
defcn_subject_new (const DefcnHistory *history, const DefcnDataset *dataset,
    const DefcnDetectorOptions *device, const DefcnEvaluateOptions *options,
    GError **error)
{
  g_autoptr (DefcnSubject) s = defcn_subject_open (history, device, error);
  DefcnEvaluateOptions own = *options;

  if (!s)
    return NULL;
  const DefcnSpec *spec = defcn_model_spec (s->model);
  s->dataset =
      defcn_dataset_match (dataset, (const char *const *) spec->labels, error);
  if (!s->dataset)
    return NULL;
  const gsize n = spec->n_classes + 1;
  s->verdicts = g_ptr_array_new_with_free_func (array_free);
  s->confusion = g_new0 (guint, n * n);
  own.each = judge_boxes;
  own.data = s;
  if (!defcn_evaluate_model (s->model, s->dataset, &own, &s->figures, error))
    return NULL;
  s->json = cJSON_CreateObject ();
  defcn_figures_to_json (&s->figures, s->json);
  return g_steal_pointer (&s);
}

void
defcn_subject_free (DefcnSubject *s)
{
  if (!s)
    return;
  defcn_figures_clear (&s->figures);
  cJSON_Delete (s->json);
  g_clear_pointer (&s->dataset, defcn_dataset_free);
  g_clear_pointer (&s->verdicts, g_ptr_array_unref);
  g_free (s->confusion);
  defcn_model_free (s->model);
  defcn_backend_free (s->be);
  g_free (s);
}
