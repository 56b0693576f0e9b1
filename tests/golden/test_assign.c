/* IoU, the Hungarian method and every assigner against the reference code. */
#include "assign/assign.h"
#include "assign/auxiliary.h"
#include "assign/fcos.h"
#include "assign/poto.h"
#include "golden.h"
#include "hungarian.h"
#include "testing.h"
#include "train/recipe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* IoU of all pairs. */
static void
test_pairwise_iou (gconstpointer below)
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  gsize n, m;

  g_autofree float *a = testing_golden_floats (file, "a", &n);
  g_autofree float *b = testing_golden_floats (file, "b", &m);
  g_autofree float *want = testing_golden_floats (file, "iou", NULL);
  for (gsize i = 0; i < n / 4; i++) {
    for (gsize j = 0; j < m / 4; j++) {
      const float *p = a + 4 * i, *q = b + 4 * j;
      const DefcnBox x = { .x1 = p[0], .y1 = p[1], .x2 = p[2], .y2 = p[3] };
      const DefcnBox y = { .x1 = q[0], .y1 = q[1], .x2 = q[2], .y2 = q[3] };

      g_assert_cmpfloat_with_epsilon (defcn_box_iou (&x, &y),
          want[i * (m / 4) + j], 1e-6);
    }
  }
}

static double
number (const cJSON *object, const char *name)
{
  const double value = testing_golden_number (object, name, NAN);

  if (isnan (value))
    g_error ("golden JSON: no number \"%s\"", name);
  return value;
}

/* One matrix: the columns of scipy where no others are as good, else as many,
 * each once, and as good. */
static void
check_matrix (const DefcnWeights *file, const cJSON *entry)
{
  const int id = number (entry, "id");
  g_autofree char *cost_name = g_strdup_printf ("m%02d.cost", id);
  g_autofree char *row_name = g_strdup_printf ("m%02d.row", id);
  g_autofree char *col_name = g_strdup_printf ("m%02d.col", id);
  const gint64 *dims = testing_golden_dims (file, cost_name);
  const int rows = dims[0], cols = dims[1];
  gsize len, n;
  g_autofree float *cost = testing_golden_floats (file, cost_name, &len);
  g_autofree int *row = testing_golden_ints (file, row_name, &n);
  g_autofree int *col = testing_golden_ints (file, col_name, NULL);
  g_autofree double *wide = g_new (double, len);
  g_autofree int *found = g_new (int, rows);
  g_autofree gboolean *taken = g_new0 (gboolean, cols);
  const gboolean unique = !cJSON_IsFalse (
      cJSON_GetObjectItemCaseSensitive (entry, "optimum_unique"));
  double total = 0;

  for (gsize i = 0; i < len; i++)
    wide[i] = cost[i];
  g_assert_true (defcn_hungarian_solve (found, wide, rows, cols,
      cJSON_IsTrue (cJSON_GetObjectItemCaseSensitive (entry, "maximize"))));
  g_assert_cmpint (n, ==, MIN (rows, cols));
  for (gsize k = 0; k < n && unique; k++)
    g_assert_cmpint (found[row[k]], ==, col[k]);
  for (int i = 0; i < rows; i++) {
    if (found[i] < 0)
      continue;
    g_assert_cmpint (found[i], <, cols);
    g_assert_false (taken[found[i]]);
    taken[found[i]] = TRUE;
    total += wide[(gsize) i * cols + found[i]];
    n--;
  }
  g_assert_cmpint (n, ==, 0);
  const double want = number (entry, "total_f64");
  g_assert_cmpfloat (fabs (total - want), <=, 1e-6 * MAX (1, fabs (want)));
}

/* Every matrix of the set. */
static void
test_hungarian (gconstpointer below)
{
  g_autofree char *base = g_strndup (below, strlen (below) - strlen (".json"));
  g_autofree char *matrices = g_strconcat (base, ".safetensors", NULL);
  g_autoptr (DefcnWeights) file = testing_golden_open (matrices);
  cJSON *list = testing_golden_json (below);
  const cJSON *entry;

  if (file) {
    g_assert_cmpint (cJSON_GetArraySize (list), >, 0);
    cJSON_ArrayForEach (entry, list) check_matrix (file, entry);
  }
  cJSON_Delete (list);
}

/* What the name of an assigner in the set says. */
typedef struct
{
  gboolean filter, aux;
  DefcnAssignRule rule;
} Variant;

/* "ch_poto_3dmf_aux": the assigner, here poto; "ch" or "inside": no centre
 * sampling, "center1.5": with that radius; "3dmf": scores with the filter;
 * "aux" alone: the auxiliary assignment.  FALSE after g_test_skip() with what
 * the recipe says of an assigner that it does not know. */
static gboolean
read_variant (Variant *v, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, &error);
  g_auto (GStrv) words = g_strsplit (name, "_", -1);
  guint first = g_strcmp0 (words[0], "ch") == 0 ? 1 : 0;
  const char *assigner = words[first] ? words[first] : "";

  g_assert_no_error (error);
  *v = (Variant){ .aux = g_str_equal (assigner, "aux") };
  v->filter = v->aux;
  if (v->aux)
    assigner = "poto";
  if (g_strv_contains ((const char *const *) words, "argmax"))
    assigner = "argmax";
  g_autofree char *setting = g_strconcat ("assigner=", assigner, NULL);
  if (!defcn_recipe_set (recipe, setting, &error)) {
    g_test_skip (error->message);
    return FALSE;
  }
  v->rule = recipe->step.assign;
  if (first == 1 && g_str_equal (assigner, "poto"))
    v->rule.radius = 0;
  for (guint i = first; words[i]; i++) {
    double radius;

    if (sscanf (words[i], "center%lf", &radius) == 1)
      v->rule.radius = radius;
    else if (g_str_equal (words[i], "inside"))
      v->rule.radius = 0;
    else if (g_str_equal (words[i], "3dmf"))
      v->filter = TRUE;
  }
  return TRUE;
}

/* One variant on one set of synthetic head outputs. */
typedef struct
{
  char *set, *variant;
  cJSON *expected; /* of assign.json */
} Case;

typedef struct
{
  DefcnLevel levels[DEFCN_N_LEVELS];
  float *logits[DEFCN_N_LEVELS], *deltas[DEFCN_N_LEVELS],
      *filter[DEFCN_N_LEVELS];
  int n_classes;
} Heads;

static float *
read_map (const DefcnWeights *file, const char *kind, int level, int *c, int *h,
    int *w)
{
  g_autofree char *name = g_strdup_printf ("%s.p%d", kind, level + 3);
  const gint64 *dims = testing_golden_dims (file, name);
  float *values = testing_golden_floats (file, name, NULL);

  *c = dims[1];
  *h = dims[2];
  *w = dims[3];
  testing_golden_to_nhwc (values, 1, *c, *h, *w);
  return values;
}

static void
heads_read (Heads *heads, const DefcnWeights *file, gboolean filter)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    int c, h, w;

    heads->deltas[l] = read_map (file, "deltas", l, &c, &h, &w);
    heads->filter[l] = read_map (file, "filter", l, &c, &h, &w);
    heads->logits[l] = read_map (file, "logits", l, &heads->n_classes, &h, &w);
    heads->levels[l] = (DefcnLevel){ .h = h,
      .w = w,
      .stride = 8 << l,
      .logits = heads->logits[l],
      .deltas = heads->deltas[l],
      .filter = filter ? heads->filter[l] : NULL };
  }
}

static void
heads_clear (Heads *heads)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_free (heads->logits[l]);
    g_free (heads->deltas[l]);
    g_free (heads->filter[l]);
  }
}

static char *
tensor_name (const Case *c, const char *what)
{
  return g_strdup_printf ("%s.%s", c->variant, what);
}

/* The whole quality matrix where the set has it. */
static void
check_quality (const Case *c, const DefcnWeights *file, const float *quality,
    gsize len)
{
  g_autofree char *name = tensor_name (c, "matrix");
  gsize want_len;

  if (!testing_golden_has (file, name))
    return;
  g_autofree float *want = testing_golden_floats (file, name, &want_len);
  g_assert_cmpuint (len, ==, want_len);
  for (gsize k = 0; k < len; k++)
    g_assert_cmpfloat_with_epsilon (quality[k], want[k], 1e-5);
}

/* The total quality of the assignment is the set's optimum. */
static void
check_total (const Case *c, const DefcnWeights *file, const Variant *v,
    const Heads *heads, const GArray *objects, const DefcnAssignment *a)
{
  const gsize len = (gsize) objects->len * a->n_locations;
  g_autofree float *quality = g_new0 (float, len);
  g_autofree DefcnPoint *points =
      defcn_points_new (heads->levels, DEFCN_N_LEVELS, heads->n_classes);
  double total = 0;

  if (!cJSON_HasObjectItem (c->expected, "lsa_total")
      || !strstr (c->variant, "poto"))
    return;
  for (guint i = 0; i < objects->len; i++) {
    const DefcnObject *o = &g_array_index (objects, DefcnObject, i);

    if (o->label >= 0)
      defcn_poto_qualities (quality + (gsize) i * a->n_locations, &v->rule,
          points, a->n_locations, &o, 1);
  }
  check_quality (c, file, quality, len);
  for (int j = 0; j < a->n_locations; j++)
    if (a->objects[j] >= 0)
      total += quality[(gsize) a->objects[j] * a->n_locations + j];
  g_assert_cmpfloat_with_epsilon (total, number (c->expected, "lsa_total"),
      1e-5);
}

static void
check_targets (const Case *c, const DefcnWeights *file, const Variant *v,
    const Heads *heads, const DefcnAssignment *a)
{
  g_autofree char *index_name = tensor_name (c, "fg_index");
  g_autofree char *targets_name = tensor_name (c, "fg_targets");
  gsize n;

  g_autofree int *index = testing_golden_ints (file, index_name, &n);
  g_autofree float *targets = testing_golden_floats (file, targets_name, NULL);
  g_autofree DefcnPoint *points =
      defcn_points_new (heads->levels, DEFCN_N_LEVELS, heads->n_classes);
  g_assert_cmpint (a->n_foreground, ==, n);
  for (gsize k = 0; k < n; k++) {
    float found[4];

    testing_golden_code (found, a->targets[index[k]], v->rule.assigner->anchors,
        points[index[k]].level);
    for (int i = 0; i < 4; i++)
      g_assert_cmpfloat_with_epsilon (found[i], targets[4 * k + i], 1e-3);
  }
}

/* Every object has one location, of its class: where equal sums leave open
 * which. */
static void
check_one_each (const DefcnAssignment *a, const GArray *objects)
{
  g_autofree int *seen = g_new0 (int, objects->len);

  for (int j = 0; j < a->n_locations; j++) {
    const int i = a->objects[j];

    if (i < 0)
      continue;
    g_assert_cmpint (i, <, objects->len);
    g_assert_cmpint (a->classes[j], ==,
        g_array_index (objects, DefcnObject, i).label);
    seen[i]++;
  }
  for (guint i = 0; i < objects->len; i++)
    g_assert_cmpint (seen[i], ==, 1);
}

/* Equal distances leave a few of ATSS's locations open. */
static int
may_differ (const Case *c)
{
  return strstr (c->variant, "atss") ? 4 : 0;
}

static void
check_assignment (const Case *c, const DefcnWeights *file, const Variant *v,
    const Heads *heads, const GArray *objects, const DefcnAssignment *a)
{
  g_autofree char *name = tensor_name (c, "classes");
  gsize n;
  g_autofree int *classes = testing_golden_ints (file, name, &n);
  int differ = 0;

  g_assert_cmpint (a->n_locations, ==, n);
  for (gsize j = 0; j < n; j++)
    differ += a->classes[j] != classes[j];
  if (cJSON_IsTrue (cJSON_GetObjectItem (c->expected, "ties"))) {
    check_one_each (a, objects);
  } else {
    g_assert_cmpint (differ, <=, may_differ (c));
    if (differ == 0 && !v->aux)
      check_targets (c, file, v, heads, a);
  }
  if (differ == 0)
    g_assert_cmpint (a->n_foreground, ==, number (c->expected, "num_fg"));
  check_total (c, file, v, heads, objects, a);
}

/* Classes of all locations, targets, total; background alone where the
 * reference code fails. */
static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *below =
      g_strdup_printf ("ops/assign_%s.safetensors", c->set);
  Variant v;
  Heads heads;

  if (!read_variant (&v, c->variant))
    return;

  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  if (!file)
    return;
  heads_read (&heads, file, v.filter);
  g_autoptr (GArray) objects = testing_golden_objects (file, "");
  g_autoptr (DefcnAssignment) a =
      defcn_assignment_new (defcn_points_count (heads.levels, DEFCN_N_LEVELS),
          heads.n_classes);
  if (v.aux)
    defcn_auxiliary_run (a, &v.rule, heads.levels, DEFCN_N_LEVELS, objects,
        NULL, 0);
  else
    defcn_assign_run (a, &v.rule, heads.levels, DEFCN_N_LEVELS, objects, NULL,
        0);

  if (cJSON_HasObjectItem (c->expected, "reference_raises")) {
    g_assert_cmpint (a->n_foreground, ==, 0);
    for (int j = 0; j < a->n_locations; j++)
      g_assert_cmpint (a->classes[j], ==, heads.n_classes);
  } else {
    check_assignment (c, file, &v, &heads, objects, a);
  }
  heads_clear (&heads);
}

/* Variants of the paper that have no reference code (tables 3, 4 and 9), from
 * the head outputs of ops/. */
typedef struct
{
  const char *name;
  gboolean additive, aux;
  DefcnAuxiliaryKind kind;
  float alpha, radius;
} Proposed;

static const Proposed proposed[] = {
  { "poto_mul_global", FALSE, FALSE, 0, 0.8f, -1 },
  { "poto_mul_center_a0", FALSE, FALSE, 0, 0, 1.5f },
  { "poto_mul_center_a1", FALSE, FALSE, 0, 1, 1.5f },
  { "poto_add_center_a0.2", TRUE, FALSE, 0, 0.2f, 1.5f },
  { "poto_add_center_a0.5", TRUE, FALSE, 0, 0.5f, 1.5f },
  { "poto_add_center_a0.8", TRUE, FALSE, 0, 0.8f, 1.5f },
  { "aux_quality_fcos", FALSE, TRUE, DEFCN_AUXILIARY_QUALITY_FCOS, 0.8f, 1.5f },
  { "aux_quality_topk", FALSE, TRUE, DEFCN_AUXILIARY_QUALITY_TOPK, 0.8f, 1.5f },
};

/* The locations of the objects, by their order in the file, and the total. */
static void
check_matches (const DefcnWeights *file, const Proposed *p, const Heads *heads,
    const DefcnAssignRule *rule, const GArray *objects,
    const DefcnAssignment *a)
{
  g_autofree char *truths_name = g_strconcat (p->name, ".gt_idx", NULL);
  g_autofree char *shifts_name = g_strconcat (p->name, ".shift_idx", NULL);
  g_autofree char *total_name = g_strconcat (p->name, ".total", NULL);
  gsize n;
  g_autofree int *truths = testing_golden_ints (file, truths_name, &n);
  g_autofree int *locations = testing_golden_ints (file, shifts_name, NULL);
  g_autofree float *want = testing_golden_floats (file, total_name, NULL);
  g_autofree DefcnPoint *points =
      defcn_points_new (heads->levels, DEFCN_N_LEVELS, heads->n_classes);
  double total = 0;

  g_assert_cmpint (a->n_foreground, ==, n);
  for (gsize k = 0; k < n; k++)
    g_assert_cmpint (a->objects[locations[k]], ==, truths[k]);
  for (int j = 0; j < a->n_locations; j++) {
    const int i = a->objects[j];
    const DefcnObject *o =
        i < 0 ? NULL : &g_array_index (objects, DefcnObject, i);
    float quality;

    if (!o)
      continue;
    defcn_poto_qualities (&quality, rule, &points[j], 1, &o, 1);
    total += quality;
  }
  g_assert_cmpfloat_with_epsilon (total, want[0], 1e-5);
}

static void
check_proposed (const DefcnWeights *file, const DefcnWeights *inputs,
    const Proposed *p)
{
  const DefcnAssignRule rule = { .assigner = defcn_assign_find ("poto"),
    .alpha = p->alpha,
    .radius = p->radius,
    .aux_topk = 9,
    .additive = p->additive,
    .auxiliary = p->kind };
  g_autoptr (GArray) objects = testing_golden_objects (inputs, "");
  Heads heads;

  g_test_message ("%s", p->name);
  heads_read (&heads, inputs, TRUE);
  g_autoptr (DefcnAssignment) a =
      defcn_assignment_new (defcn_points_count (heads.levels, DEFCN_N_LEVELS),
          heads.n_classes);
  if (p->aux) {
    g_autofree char *name = g_strconcat (p->name, ".classes", NULL);
    g_autofree int *classes = testing_golden_ints (file, name, NULL);

    defcn_auxiliary_run (a, &rule, heads.levels, DEFCN_N_LEVELS, objects, NULL,
        0);
    for (int j = 0; j < a->n_locations; j++)
      g_assert_cmpint (a->classes[j], ==, classes[j]);
  } else {
    defcn_assign_run (a, &rule, heads.levels, DEFCN_N_LEVELS, objects, NULL, 0);
    check_matches (file, p, &heads, &rule, objects, a);
  }
  heads_clear (&heads);
}

static void
test_proposed (gconstpointer data)
{
  const char *below = data;
  g_autofree char *base = g_path_get_basename (below);
  g_autofree char *input = g_strconcat ("ops/", base, NULL);
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  g_autoptr (DefcnWeights) inputs = file ? testing_golden_open (input) : NULL;

  for (gsize i = 0; inputs && i < G_N_ELEMENTS (proposed); i++)
    check_proposed (file, inputs, &proposed[i]);
}

static void
case_free (gpointer data)
{
  Case *c = data;

  g_free (c->set);
  g_free (c->variant);
  g_free (c);
}

static void
test_absent (void)
{
  g_test_skip ("no golden data: ops/assign.json");
}

/* One test for every set and variant that assign.json names.  Returns: its
 * JSON, which the tests use. */
static cJSON *
add_cases (void)
{
  g_autofree char *path = testing_golden ("ops/assign.json");
  cJSON *json = path ? testing_golden_json ("ops/assign.json") : NULL;
  const cJSON *set;

  if (!json)
    g_test_add_func ("/golden/assign", test_absent);
  cJSON_ArrayForEach (set, cJSON_GetObjectItemCaseSensitive (json, "sets"))
  {
    cJSON *variant;

    cJSON_ArrayForEach (variant, set)
    {
      Case *c = g_new (Case, 1);
      g_autofree char *name = g_strdup_printf ("/golden/assign/%s/%s",
          set->string, variant->string);

      *c =
          (Case){ g_strdup (set->string), g_strdup (variant->string), variant };
      g_test_add_data_func_full (name, c, test_case, case_free);
    }
  }
  return json;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  testing_golden_add ("/golden/match", "ops/pairwise_iou*.safetensors",
      test_pairwise_iou);
  testing_golden_add ("/golden/match", "ops/hungarian*.json", test_hungarian);
  testing_golden_add ("/golden/proposed", "proposed/assign_*.safetensors",
      test_proposed);
  cJSON *json = add_cases ();
  const int status = g_test_run ();
  cJSON_Delete (json);
  return status;
}
