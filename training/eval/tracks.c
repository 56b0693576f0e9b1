/* How good tracks are: CLEAR MOT, identity and HOTA. */
#include "tracks.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "hungarian.h"

#define SAME 0.5        /* IoU that matches, but for HOTA */
#define N_THRESHOLDS 19 /* of HOTA: .05, .1, .. .95 */

/* One frame: its boxes and the IoU of each with each. */
typedef struct
{
  const DefcnMotBox *truth, *result;
  int n, m;    /* how many of them */
  double *iou; /* (n, m) */
} Frame;

/* What all frames are measured with, as large as the largest. */
typedef struct
{
  const DefcnMotSequence *s;
  double *iou, *worth; /* (n, m) */
  int *column;         /* n: the result of each object, -1: none */
} Work;

static void
work_init (Work *w, const DefcnMotSequence *s)
{
  gsize most = 1, rows = 1;

  for (guint i = 0; i < s->frames->len; i++) {
    const DefcnMotFrame *f = &g_array_index (s->frames, DefcnMotFrame, i);

    most = MAX (most, (gsize) f->n_truth * f->n_result);
    rows = MAX (rows, f->n_truth);
  }
  *w = (Work){ s, g_new (double, most), g_new (double, most),
    g_new (int, rows) };
}

static void
work_clear (Work *w)
{
  g_free (w->iou);
  g_free (w->worth);
  g_free (w->column);
}

/* An empty array has no memory to point into. */
static const DefcnMotBox *
boxes_from (const GArray *boxes, guint first)
{
  return boxes->len ? &g_array_index (boxes, DefcnMotBox, first) : NULL;
}

static Frame
frame_at (Work *w, guint index)
{
  const DefcnMotFrame *f = &g_array_index (w->s->frames, DefcnMotFrame, index);
  const Frame frame = { boxes_from (w->s->truth, f->truth),
    boxes_from (w->s->result, f->result), (int) f->n_truth, (int) f->n_result,
    w->iou };

  for (int i = 0; i < frame.n; i++)
    for (int j = 0; j < frame.m; j++)
      frame.iou[i * frame.m + j] =
          defcn_mot_iou (&frame.truth[i], &frame.result[j]);
  return frame;
}

/* What CLEAR MOT remembers of an object. */
typedef struct
{
  int last;     /* result that it was matched with last, -1: never */
  int previous; /* in the frame before, -1: none */
  guint present, matched, spans;
} Object;

/* CLEAR MOT over all frames, by either rule. */
typedef struct
{
  Work *w;
  gboolean lasting;
  Object *objects;
  DefcnClearFigures *out;
} Clear;

/* The most pairs that have IoU, and of these the most IoU; @bonus: of pairs
 * that go on from the frame before. */
static void
match_best (Clear *c, const Frame *f, double bonus)
{
  Work *w = c->w;

  for (int i = 0; i < f->n; i++)
    for (int j = 0; j < f->m; j++) {
      const double iou = f->iou[i * f->m + j];
      const gboolean goes_on =
          c->objects[f->truth[i].id].previous == f->result[j].id;

      w->worth[i * f->m + j] =
          iou < SAME - DBL_EPSILON ? 0 : bonus * goes_on + iou;
    }
  defcn_hungarian_solve (w->column, w->worth, f->n, f->m, TRUE);
  for (int i = 0; i < f->n; i++)
    if (w->column[i] >= 0 && w->worth[i * f->m + w->column[i]] <= DBL_EPSILON)
      w->column[i] = -1;
}

static int
find_id (const Frame *f, int id)
{
  for (int j = 0; j < f->m; j++)
    if (f->result[j].id == id)
      return j;
  return -1;
}

/* Objects keep what they had last, in their order, the others are matched. */
static void
match_lasting (Clear *c, const Frame *f)
{
  g_autofree int *kept = g_new (int, f->n);
  g_autofree gboolean *taken = g_new0 (gboolean, f->m + 1);

  for (int i = 0; i < f->n; i++) {
    const int last = c->objects[f->truth[i].id].last;
    const int j = last < 0 ? -1 : find_id (f, last);

    kept[i] = j >= 0 && !taken[j] && f->iou[i * f->m + j] >= SAME ? j : -1;
    if (kept[i] >= 0)
      taken[j] = TRUE;
  }
  for (int i = 0; i < f->n; i++)
    for (int j = 0; j < f->m; j++)
      if (kept[i] >= 0 || taken[j])
        f->iou[i * f->m + j] *= kept[i] == j; /* of no use any more */
  match_best (c, f, 0);
}

static void
match_clear (Clear *c, const Frame *f)
{
  for (int i = 0; f->m == 0 && i < f->n; i++)
    c->w->column[i] = -1;
  if (!f->n || !f->m)
    return;
  if (c->lasting)
    match_lasting (c, f);
  else
    match_best (c, f, 1000);
}

static void
count_clear (Clear *c, const Frame *f)
{
  guint matches = 0;

  for (int i = 0; i < f->n; i++) {
    Object *o = &c->objects[f->truth[i].id];
    const int j = c->w->column[i];

    o->present++;
    if (j < 0)
      continue;
    const int id = f->result[j].id;
    c->out->switches += o->last >= 0 && o->last != id;
    o->spans += o->previous < 0;
    o->last = id;
    o->matched++;
    c->out->motp += f->iou[i * f->m + j];
    matches++;
  }
  c->out->tp += matches;
  c->out->fn += (guint) f->n - matches;
  c->out->fp += (guint) f->m - matches;
}

/* A frame that lacks an object breaks it; one without any boxes of one side is
 * no frame.  Lasting: only a miss does. */
static void
remember (Clear *c, const Frame *f)
{
  if (!c->lasting && (!f->n || !f->m))
    return;
  for (int i = 0; !c->lasting && i < c->w->s->n_truth; i++)
    c->objects[i].previous = -1;
  for (int i = 0; i < f->n; i++)
    c->objects[f->truth[i].id].previous =
        c->w->column[i] < 0 ? -1 : f->result[c->w->column[i]].id;
}

static double
share (double part, double whole)
{
  return part / MAX (whole, 1);
}

static void
sum_clear (Clear *c)
{
  DefcnClearFigures *out = c->out;
  const double n_truth = (double) out->tp + out->fn;

  for (int i = 0; i < c->w->s->n_truth; i++) {
    const Object *o = &c->objects[i];
    const double ratio = (double) o->matched / o->present;

    out->mostly_tracked += ratio > 0.8;
    out->partly_tracked += ratio >= 0.2 && ratio <= 0.8;
    out->mostly_lost += ratio < 0.2;
    out->fragments += o->spans ? o->spans - 1 : 0;
  }
  out->motp = share (out->motp, out->tp);
  out->recall = share (out->tp, n_truth);
  out->precision = share (out->tp, (double) out->tp + out->fp);
  if (n_truth > 0)
    out->mota = ((double) out->tp - out->fp - out->switches) / n_truth;
}

static void
measure_clear (Work *w, gboolean lasting, DefcnClearFigures *out)
{
  g_autofree Object *objects = g_new0 (Object, w->s->n_truth + 1);
  Clear c = { w, lasting, objects, out };

  for (int i = 0; i < w->s->n_truth; i++)
    objects[i].last = objects[i].previous = -1;
  for (guint k = 0; k < w->s->frames->len; k++) {
    const Frame f = frame_at (w, k);

    match_clear (&c, &f);
    count_clear (&c, &f);
    remember (&c, &f);
  }
  sum_clear (&c);
}

/* The one to one matching of objects and tracks that shares the most boxes. */
static void
measure_identity (Work *w, DefcnTrackFigures *out)
{
  const int n = w->s->n_truth, m = w->s->n_result;
  g_autofree double *shared = g_new0 (double, (gsize) n *m + 1);
  g_autofree int *column = g_new (int, n + 1);
  double total = 0;

  for (guint k = 0; k < w->s->frames->len; k++) {
    const Frame f = frame_at (w, k);

    for (int i = 0; i < f.n; i++)
      for (int j = 0; j < f.m; j++)
        if (f.iou[i * f.m + j] >= SAME)
          shared[(gsize) f.truth[i].id * m + f.result[j].id]++;
  }
  if (n && m)
    defcn_hungarian_solve (column, shared, n, m, TRUE);
  for (int i = 0; m && i < n; i++)
    if (column[i] >= 0)
      total += shared[(gsize) i * m + column[i]];
  out->idtp = (guint) total;
  out->idfn = out->n_truth - out->idtp;
  out->idfp = out->n_result - out->idtp;
  out->idr = share (out->idtp, out->n_truth);
  out->idp = share (out->idtp, out->n_result);
  out->idf1 = share (out->idtp, out->idtp + 0.5 * out->idfp + 0.5 * out->idfn);
}

/* A pair that HOTA's matching has found. */
typedef struct
{
  int truth, result; /* ids */
  double iou;
} Match;

/* What HOTA counts over all frames. */
typedef struct
{
  double *alignment; /* (objects, tracks): how much both are one */
  double *boxes;     /* of each object, then of each track */
  GArray *matches;   /* Match */
} Hota;

/* Each pair's IoU as a share of what either has with anybody. */
static void
add_alignment (Hota *h, const Frame *f, int n_tracks)
{
  g_autofree double *sums = g_new0 (double, f->n + f->m + 1);

  for (int i = 0; i < f->n; i++)
    for (int j = 0; j < f->m; j++) {
      sums[i] += f->iou[i * f->m + j];
      sums[f->n + j] += f->iou[i * f->m + j];
    }
  for (int i = 0; i < f->n; i++)
    for (int j = 0; j < f->m; j++) {
      const double iou = f->iou[i * f->m + j];
      const double all = sums[i] + sums[f->n + j] - iou;

      if (all > DBL_EPSILON)
        h->alignment[(gsize) f->truth[i].id * n_tracks + f->result[j].id] +=
            iou / all;
    }
}

static void
align (Work *w, Hota *h)
{
  const int n = w->s->n_truth, m = w->s->n_result;

  for (guint k = 0; k < w->s->frames->len; k++) {
    const Frame f = frame_at (w, k);

    add_alignment (h, &f, m);
    for (int i = 0; i < f.n; i++)
      h->boxes[f.truth[i].id]++;
    for (int j = 0; j < f.m; j++)
      h->boxes[n + f.result[j].id]++;
  }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < m; j++) {
      double *a = &h->alignment[(gsize) i * m + j];

      *a /= h->boxes[i] + h->boxes[n + j] - *a;
    }
}

static void
match_hota (Work *w, Hota *h)
{
  for (guint k = 0; k < w->s->frames->len; k++) {
    const Frame f = frame_at (w, k);

    if (!f.n || !f.m)
      continue;
    for (int i = 0; i < f.n; i++)
      for (int j = 0; j < f.m; j++)
        w->worth[i * f.m + j] = f.iou[i * f.m + j]
            * h->alignment[(gsize) f.truth[i].id * w->s->n_result
                + f.result[j].id];
    defcn_hungarian_solve (w->column, w->worth, f.n, f.m, TRUE);
    for (int i = 0; i < f.n; i++)
      if (w->column[i] >= 0) {
        const Match match = { f.truth[i].id, f.result[w->column[i]].id,
          f.iou[i * f.m + w->column[i]] };

        g_array_append_val (h->matches, match);
      }
  }
}

/* Adds the figures at one threshold.  @counts: (objects, tracks) of zeros,
 * which it is again afterwards. */
static void
add_threshold (const Hota *h, const DefcnMotSequence *s, double threshold,
    double *counts, DefcnTrackFigures *out)
{
  double tp = 0, iou = 0, assa = 0, assre = 0, asspr = 0;
  const double n_truth = s->truth->len, n_result = s->result->len;
  const int m = s->n_result;

  for (guint k = 0; k < h->matches->len; k++) {
    const Match *match = &g_array_index (h->matches, Match, k);

    if (match->iou < threshold - DBL_EPSILON)
      continue;
    counts[(gsize) match->truth * m + match->result]++;
    iou += match->iou;
    tp++;
  }
  for (guint k = 0; k < h->matches->len; k++) {
    const Match *match = &g_array_index (h->matches, Match, k);
    double *count = &counts[(gsize) match->truth * m + match->result];
    const double c = *count, a = h->boxes[match->truth];
    const double b = h->boxes[s->n_truth + match->result];

    assa += c * c / MAX (1, a + b - c);
    assre += c * c / MAX (1, a);
    asspr += c * c / MAX (1, b);
    *count = 0;
  }
  const double deta = share (tp, n_truth + n_result - tp);
  assa = share (assa, tp);
  out->deta += deta;
  out->detre += share (tp, n_truth);
  out->detpr += share (tp, n_result);
  out->assa += assa;
  out->assre += share (assre, tp);
  out->asspr += share (asspr, tp);
  out->loca += MAX (1e-10, iou) / MAX (1e-10, tp);
  out->hota += sqrt (deta * assa);
}

static void
measure_hota (Work *w, DefcnTrackFigures *out)
{
  const gsize size = (gsize) w->s->n_truth * w->s->n_result;
  g_autofree double *alignment = g_new0 (double, size + 1);
  g_autofree double *counts = g_new0 (double, size + 1);
  g_autofree double *boxes =
      g_new0 (double, (gsize) w->s->n_truth + w->s->n_result + 1);
  g_autoptr (GArray) matches = g_array_new (FALSE, FALSE, sizeof (Match));
  Hota h = { alignment, boxes, matches };
  double *means[] = { &out->hota, &out->deta, &out->assa, &out->detre,
    &out->detpr, &out->assre, &out->asspr, &out->loca };

  align (w, &h);
  match_hota (w, &h);
  for (int i = 0; i < N_THRESHOLDS; i++)
    add_threshold (&h, w->s, 0.05 + 0.05 * i, counts, out);
  for (guint i = 0; i < G_N_ELEMENTS (means); i++)
    *means[i] /= N_THRESHOLDS;
}

void
defcn_tracks_measure (const DefcnMotSequence *s, DefcnTrackFigures *out)
{
  Work w;

  *out = (DefcnTrackFigures){ .n_frames = s->n_frames,
    .n_objects = (guint) s->n_truth,
    .n_tracks = (guint) s->n_result,
    .n_truth = s->truth->len,
    .n_result = s->result->len,
    .n_ignored = s->n_ignored,
    .n_removed = s->n_removed };
  work_init (&w, s);
  measure_clear (&w, FALSE, &out->clear);
  measure_clear (&w, TRUE, &out->lasting);
  measure_identity (&w, out);
  measure_hota (&w, out);
  work_clear (&w);
}

char *
defcn_tracks_table (const DefcnTrackFigures *f)
{
  const DefcnClearFigures *c = &f->clear;

  return g_strdup_printf (
      "HOTA   %6.2f   DetA %6.2f   AssA %6.2f   LocA %6.2f\n"
      "MOTA   %6.2f   MOTP %6.2f   recall %.2f   precision %.2f\n"
      "IDF1   %6.2f   IDP  %6.2f   IDR  %6.2f\n"
      "switches %u   fragments %u   false %u   missed %u\n"
      "objects %u: mostly tracked %u, partly %u, mostly lost %u\n"
      "tracks %u, %u boxes in %u frames; annotated %u, left out %u; on "
      "distractors %u\n",
      100 * f->hota, 100 * f->deta, 100 * f->assa, 100 * f->loca, 100 * c->mota,
      100 * c->motp, 100 * c->recall, 100 * c->precision, 100 * f->idf1,
      100 * f->idp, 100 * f->idr, c->switches, c->fragments, c->fp, c->fn,
      f->n_objects, c->mostly_tracked, c->partly_tracked, c->mostly_lost,
      f->n_tracks, f->n_result, f->n_frames, f->n_truth, f->n_ignored,
      f->n_removed);
}

typedef struct
{
  const char *name;
  double value;
} Row;

static void
add_rows (cJSON *object, const Row *rows, guint n)
{
  for (guint i = 0; i < n; i++)
    cJSON_AddNumberToObject (object, rows[i].name, rows[i].value);
}

static void
clear_to_json (const DefcnClearFigures *c, cJSON *object)
{
  const Row rows[] = { { "mota", c->mota }, { "motp", c->motp },
    { "recall", c->recall }, { "precision", c->precision },
    { "true_positives", c->tp }, { "false_positives", c->fp },
    { "misses", c->fn }, { "switches", c->switches },
    { "fragments", c->fragments }, { "mostly_tracked", c->mostly_tracked },
    { "partly_tracked", c->partly_tracked },
    { "mostly_lost", c->mostly_lost } };

  add_rows (object, rows, G_N_ELEMENTS (rows));
}

void
defcn_tracks_to_json (const DefcnTrackFigures *f, cJSON *object)
{
  const Row rows[] = { { "hota", f->hota }, { "deta", f->deta },
    { "assa", f->assa }, { "detre", f->detre }, { "detpr", f->detpr },
    { "assre", f->assre }, { "asspr", f->asspr }, { "loca", f->loca },
    { "idf1", f->idf1 }, { "idp", f->idp }, { "idr", f->idr },
    { "idtp", f->idtp }, { "idfp", f->idfp }, { "idfn", f->idfn },
    { "frames", f->n_frames }, { "objects", f->n_objects },
    { "tracks", f->n_tracks }, { "annotated_boxes", f->n_truth },
    { "result_boxes", f->n_result }, { "ignored_annotations", f->n_ignored },
    { "removed_results", f->n_removed } };

  add_rows (object, rows, G_N_ELEMENTS (rows));
  clear_to_json (&f->clear, object);
  clear_to_json (&f->lasting, cJSON_AddObjectToObject (object, "lasting"));
}
