/* The heuristics of cuDNN rank engine configurations for an operation graph;
 * the first that make a plan are the candidates. */
#include "engines.h"

#include <string.h>

#define MAX_CONFIGS 64

/* Which candidates are sought, and where they go. */
typedef struct
{
  Builder *b;
  GArray *candidates;
  const char *wanted;
  guint max;
  gboolean repeatable;
} Search;

/* What is known of the engine of a configuration. */
typedef struct
{
  gint64 index;
  gboolean exact;      /* keeps float32 as it is */
  gboolean repeatable; /* gives the same bits every time */
} Engine;

static gboolean
inspect (Builder *b, Engine *e, Descriptor config)
{
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  Descriptor engine = descriptors_create (b, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  gint64 n = 0;

  if (cudnnBackendGetAttribute (config, CUDNN_ATTR_ENGINECFG_ENGINE,
          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine)
          != CUDNN_STATUS_SUCCESS
      || cudnnBackendGetAttribute (engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX,
             CUDNN_TYPE_INT64, 1, &n, &e->index)
          != CUDNN_STATUS_SUCCESS
      || cudnnBackendGetAttribute (engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
             CUDNN_TYPE_NUMERICAL_NOTE, G_N_ELEMENTS (notes), &n, notes)
          != CUDNN_STATUS_SUCCESS)
    return FALSE;
  e->exact = e->repeatable = TRUE;
  for (gint64 i = 0; i < n; i++) {
    if (notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE
        || notes[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS
        || notes[i] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)
      e->exact = FALSE;
    if (notes[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)
      e->repeatable = FALSE;
  }
  return TRUE;
}

/* Appends a knob of a configuration; FALSE if it does not tell. */
static gboolean
append_knob (GString *name, Descriptor knob)
{
  cudnnBackendKnobType_t type;
  gint64 value, n;

  if (cudnnBackendGetAttribute (knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE,
          CUDNN_TYPE_KNOB_TYPE, 1, &n, &type)
          != CUDNN_STATUS_SUCCESS
      || cudnnBackendGetAttribute (knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE,
             CUDNN_TYPE_INT64, 1, &n, &value)
          != CUDNN_STATUS_SUCCESS)
    return FALSE;
  g_string_append_printf (name, "_k%d=%" G_GINT64_FORMAT, (int) type, value);
  return TRUE;
}

/* Engine and knobs of @config; NULL if it does not tell. */
static char *
name_of (gint64 index, Descriptor config)
{
  g_autoptr (GString) name = g_string_new (NULL);
  Descriptor knobs[CUDNN_KNOB_TYPE_COUNTS] = { NULL };
  gboolean good = TRUE;
  gint64 n = 0;

  g_string_printf (name, "eng%" G_GINT64_FORMAT, index);
  for (guint i = 0; i < G_N_ELEMENTS (knobs); i++)
    good = good
        && cudnnBackendCreateDescriptor (CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR,
               &knobs[i])
            == CUDNN_STATUS_SUCCESS;
  good = good
      && cudnnBackendGetAttribute (config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
             CUDNN_TYPE_BACKEND_DESCRIPTOR, G_N_ELEMENTS (knobs), &n, knobs)
          == CUDNN_STATUS_SUCCESS;
  for (gint64 i = 0; good && i < MIN (n, (gint64) G_N_ELEMENTS (knobs)); i++)
    good = append_knob (name, knobs[i]);
  for (guint i = 0; i < G_N_ELEMENTS (knobs); i++)
    if (knobs[i])
      cudnnBackendDestroyDescriptor (knobs[i]);
  return good ? g_strdup (name->str) : NULL;
}

static gboolean
wants_exact (const GraphShape *s)
{
  return !s->tf32 && s->x_type == CUDA_FLOAT;
}

/* A plan that is not finalized. */
static Descriptor
begin_plan (Builder *b)
{
  Descriptor plan = NULL;

  descriptors_check (b,
      cudnnBackendCreateDescriptor (CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR,
          &plan));
  if (b->handle)
    descriptors_set (b, plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE,
        CUDNN_TYPE_HANDLE, 1, &b->handle);
  else
    descriptors_set_descriptor (b, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
        b->device);
  return plan;
}

/* NULL: refused, which is not the builder's error. */
static Descriptor
finish_plan (Builder *b, Descriptor plan)
{
  if (b->status == CUDNN_STATUS_SUCCESS
      && cudnnBackendFinalize (plan) == CUDNN_STATUS_SUCCESS)
    return plan;
  if (b->status == CUDNN_STATUS_SUCCESS)
    cudnnGetLastErrorString (b->message, sizeof b->message);
  if (plan)
    cudnnBackendDestroyDescriptor (plan);
  return NULL;
}

/* NULL: refused, which is not the builder's error. */
static Descriptor
make_plan (Builder *b, Descriptor config)
{
  Descriptor plan = begin_plan (b);

  descriptors_set_descriptor (b, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
      config);
  return finish_plan (b, plan);
}

static gint64
workspace_of (Builder *b, Descriptor plan)
{
  gint64 bytes = 0, n = 0;

  descriptors_check (b,
      cudnnBackendGetAttribute (plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
          CUDNN_TYPE_INT64, 1, &n, &bytes));
  return bytes;
}

/* Makes @config a candidate if it is one. */
static void
try_config (const Search *search, Descriptor config)
{
  Builder *b = search->b;
  g_autofree char *name = NULL;
  EnginesCandidate candidate;
  Engine engine;

  if (!inspect (b, &engine, config) || (wants_exact (b->shape) && !engine.exact)
      || (search->repeatable && !engine.repeatable))
    return;
  name = name_of (engine.index, config);
  if (!name || (search->wanted && !g_str_equal (name, search->wanted)))
    return;
  candidate.plan = make_plan (b, config);
  if (!candidate.plan)
    return;
  candidate.workspace = workspace_of (b, candidate.plan);
  candidate.name = g_steal_pointer (&name);
  g_array_append_val (search->candidates, candidate);
}

/* Asks one kind of heuristics. */
static void
try_heuristics (const Search *search, Descriptor operations,
    cudnnBackendHeurMode_t mode)
{
  Builder *b = search->b;
  Descriptor configs[MAX_CONFIGS];
  Descriptor d = descriptors_create (b, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  gint64 n = 0;

  descriptors_set_descriptor (b, d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
      operations);
  descriptors_set (b, d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1,
      &mode);
  if (b->device)
    descriptors_set_descriptor (b, d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
        b->device);
  if (b->status != CUDNN_STATUS_SUCCESS)
    return;
  if (cudnnBackendFinalize (d) != CUDNN_STATUS_SUCCESS) {
    cudnnGetLastErrorString (b->message, sizeof b->message);
    return;
  }
  for (int i = 0; i < MAX_CONFIGS; i++)
    configs[i] = descriptors_create (b, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  if (b->status != CUDNN_STATUS_SUCCESS
      || cudnnBackendGetAttribute (d, CUDNN_ATTR_ENGINEHEUR_RESULTS,
             CUDNN_TYPE_BACKEND_DESCRIPTOR, MAX_CONFIGS, &n, configs)
          != CUDNN_STATUS_SUCCESS)
    return;
  for (gint64 i = 0; i < MIN (n, MAX_CONFIGS); i++)
    if (search->candidates->len < search->max
        && b->status == CUDNN_STATUS_SUCCESS)
      try_config (search, configs[i]);
}

gboolean
engines_gather (GArray *candidates, Builder *b, Descriptor operations,
    const char *wanted, guint max, gboolean repeatable)
{
  const Search search = { b, candidates, wanted, max, repeatable };

  try_heuristics (&search, operations, CUDNN_HEUR_MODE_A);
  if (candidates->len == 0)
    try_heuristics (&search, operations, CUDNN_HEUR_MODE_FALLBACK);
  return b->status == CUDNN_STATUS_SUCCESS && candidates->len > 0;
}

char *
engines_save (Descriptor plan)
{
  gint64 len = 0, written = 0;
  char *json;

  if (cudnnBackendGetAttribute (plan,
          CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, 0,
          &len, NULL)
          != CUDNN_STATUS_SUCCESS
      || len <= 0)
    return NULL;
  json = g_malloc0 (len + 1);
  if (cudnnBackendGetAttribute (plan,
          CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, len,
          &written, json)
      == CUDNN_STATUS_SUCCESS)
    return json;
  g_free (json);
  return NULL;
}

Descriptor
engines_load (Builder *b, const char *json, gint64 *workspace)
{
  Descriptor plan = begin_plan (b);

  descriptors_set (b, plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
      CUDNN_TYPE_CHAR, strlen (json), json);
  plan = finish_plan (b, plan);
  if (!plan)
    return NULL;
  *workspace = workspace_of (b, plan);
  if (b->status == CUDNN_STATUS_SUCCESS)
    return plan;
  cudnnBackendDestroyDescriptor (plan);
  return NULL;
}

void
engines_clear (EnginesCandidate *candidate)
{
  cudnnBackendDestroyDescriptor (candidate->plan);
  g_free (candidate->name);
}
