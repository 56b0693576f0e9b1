/* What is right and wrong about a picture's boxes. */
#include "verdict.h"

#define LEAST_IOU 0.5

typedef struct
{
  const GArray *boxes, *objects;
  DefcnVerdict *verdicts; /* of the boxes */
  gboolean *judged;       /* of the boxes */
  gboolean *taken;        /* of the objects */
} Match;

static const DefcnBox *
box_at (const Match *m, guint i)
{
  return &g_array_index (m->boxes, DefcnBox, i);
}

static const DefcnObject *
object_at (const Match *m, guint k)
{
  return &g_array_index (m->objects, DefcnObject, k);
}

/* Regions that are no object: COCO's crowds, what CrowdHuman ignores. */
static gboolean
is_region (const DefcnObject *o)
{
  return o->crowd || o->label < 0;
}

/* Intersection over union, of a region over the box alone. */
static double
overlap (const DefcnBox *b, const DefcnObject *o)
{
  const double bw = (double) b->x2 - b->x1, bh = (double) b->y2 - b->y1;
  const double *g = o->bbox;
  const double w = MIN (b->x2, g[0] + g[2]) - MAX (b->x1, g[0]);
  const double h = MIN (b->y2, g[1] + g[3]) - MAX (b->y1, g[1]);

  if (w <= 0 || h <= 0)
    return 0;
  return w * h / (bw * bh + (is_region (o) ? 0 : g[2] * g[3] - w * h));
}

/* The object that box @i overlaps most of those that @wants takes; -1: none
 * enough. */
static int
best_object (const Match *m, guint i,
    gboolean (*wants) (const Match *m, guint i, guint k))
{
  double best = LEAST_IOU;
  int object = -1;

  for (guint k = 0; k < m->objects->len; k++) {
    const double iou = overlap (box_at (m, i), object_at (m, k));

    if (iou >= best && wants (m, i, k)) {
      best = iou;
      object = k;
    }
  }
  return object;
}

static gboolean
is_own (const Match *m, guint i, guint k)
{
  const DefcnObject *o = object_at (m, k);

  return !is_region (o) && !m->taken[k] && o->label == box_at (m, i)->label;
}

static gboolean
is_crowd (const Match *m, guint i, guint k)
{
  const DefcnObject *o = object_at (m, k);

  return is_region (o) && (o->label < 0 || o->label == box_at (m, i)->label);
}

static gboolean
is_twin (const Match *m, guint i, guint k)
{
  const DefcnObject *o = object_at (m, k);

  return !is_region (o) && m->taken[k] && o->label == box_at (m, i)->label;
}

static gboolean
is_other (const Match *m, guint i, guint k)
{
  return !is_region (object_at (m, k)) && !m->taken[k];
}

/* Every box that has none yet gets @kind where there is an object for it. */
static void
judge (Match *m, DefcnVerdictKind kind, gboolean takes,
    gboolean (*wants) (const Match *m, guint i, guint k))
{
  for (guint i = 0; i < m->boxes->len; i++) {
    const int k = m->judged[i] ? -1 : best_object (m, i, wants);

    if (k < 0)
      continue;
    m->judged[i] = TRUE;
    m->verdicts[i].kind = kind;
    m->verdicts[i].truth = object_at (m, k)->label;
    if (takes)
      m->taken[k] = TRUE;
  }
}

static void
append_objects (GArray *verdicts, const Match *m)
{
  for (guint k = 0; k < m->objects->len; k++) {
    const DefcnObject *o = object_at (m, k);
    const DefcnVerdict v = {
      .box = { o->bbox[0], o->bbox[1], o->bbox[0] + o->bbox[2],
          o->bbox[1] + o->bbox[3], -1, o->label },
      .kind = is_region (o) ? DEFCN_VERDICT_CROWD : DEFCN_VERDICT_MISSED,
      .truth = o->label,
    };

    if (is_region (o) || !m->taken[k])
      g_array_append_val (verdicts, v);
  }
}

GArray *
defcn_verdict_find (const GArray *boxes, const GArray *objects)
{
  g_autofree gboolean *judged = g_new0 (gboolean, boxes->len + 1);
  g_autofree gboolean *taken = g_new0 (gboolean, objects->len + 1);
  GArray *verdicts = g_array_new (FALSE, FALSE, sizeof (DefcnVerdict));

  for (guint i = 0; i < boxes->len; i++) {
    const DefcnVerdict v = { g_array_index (boxes, DefcnBox, i),
      DEFCN_VERDICT_NOTHING, -1 };

    g_array_append_val (verdicts, v);
  }
  Match m = { boxes, objects, (DefcnVerdict *) verdicts->data, judged, taken };
  judge (&m, DEFCN_VERDICT_RIGHT, TRUE, is_own);
  judge (&m, DEFCN_VERDICT_IGNORED, FALSE, is_crowd);
  judge (&m, DEFCN_VERDICT_TWIN, FALSE, is_twin);
  judge (&m, DEFCN_VERDICT_OTHER, TRUE, is_other);
  append_objects (verdicts, &m);
  return verdicts;
}

guint
defcn_verdict_errors (const GArray *verdicts)
{
  guint n = 0;

  for (guint i = 0; i < verdicts->len; i++) {
    const DefcnVerdictKind kind =
        g_array_index (verdicts, DefcnVerdict, i).kind;

    n += kind == DEFCN_VERDICT_TWIN || kind == DEFCN_VERDICT_OTHER
        || kind == DEFCN_VERDICT_NOTHING || kind == DEFCN_VERDICT_MISSED;
  }
  return n;
}

void
defcn_verdict_count (guint *counts, int n, const GArray *verdicts)
{
  for (guint i = 0; i < verdicts->len; i++) {
    const DefcnVerdict *v = &g_array_index (verdicts, DefcnVerdict, i);
    const gboolean found = v->kind != DEFCN_VERDICT_MISSED;
    const gboolean there = v->kind != DEFCN_VERDICT_TWIN && v->truth >= 0;

    if (v->kind == DEFCN_VERDICT_IGNORED || v->kind == DEFCN_VERDICT_CROWD)
      continue;
    counts[(there ? v->truth : n) * (n + 1) + (found ? v->box.label : n)]++;
  }
}
