/* Tracks as MOT-challenge writes them. */
#include "mot.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "data/file.h"
#include "error.h"
#include "hungarian.h"

#define MAX_BYTES ((gsize) 1 << 30)
#define MAX_FRAME 10000000
#define MAX_COLUMNS 8      /* that are read */
#define MAX_BOXES 2000     /* of a frame: matching takes the cube of it */
#define MAX_PAIRS 50000000 /* of objects and tracks */
#define SAME 0.5           /* IoU of a result and the distractor it is on */
#define PEDESTRIAN 1
#define LAST_CLASS 13
#define FORM "; lines of tracks are frame, id, x, y, width, height, .."

/* A line. */
typedef struct
{
  int frame; /* 1, 2, .. */
  gint64 id;
  double x1, y1, x2, y2;
  double mark; /* 1 where the line ends before */
  int class;   /* -1 likewise */
  guint line;
} Row;

static const int distractors[] = { 2, 7, 8, 12 };

static gboolean
is_separator (char c)
{
  return c == ',' || c == ' ' || c == '\t' || c == '\r';
}

/* The numbers of @line, which ends at @end, at most MAX_COLUMNS.  Returns how
 * many, or -1 with *@bad at what is none. */
static int
read_numbers (double *numbers, const char **bad, const char *line,
    const char *end)
{
  int n = 0;

  while (n < MAX_COLUMNS) {
    char *after;

    while (line < end && is_separator (*line))
      line++;
    if (line == end)
      break;
    numbers[n] = g_ascii_strtod (line, &after);
    if (after == line || after > end || (after < end && !is_separator (*after))
        || !isfinite (numbers[n])) {
      *bad = line;
      return -1;
    }
    n++;
    line = after;
  }
  return n;
}

static gboolean
fail (GError **error, const char *path, guint line, const char *text)
{
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s:%u: %s", path, line,
      text);
  return FALSE;
}

static gboolean
read_line (GArray *rows, const char *path, guint number, const char *line,
    const char *end, GError **error)
{
  double v[MAX_COLUMNS] = { 0 };
  const char *bad = NULL;
  const int n = read_numbers (v, &bad, line, end);

  if (n == 0)
    return TRUE;
  if (n < 0) {
    const gsize length = MIN ((gsize) (end - bad), strcspn (bad, ", \t\r\n"));
    g_autofree char *word = g_strndup (bad, MIN (length, 40));
    g_autofree char *text = g_strdup_printf ("\"%s\" is no number" FORM, word);

    return fail (error, path, number, text);
  }
  if (n < 6)
    return fail (error, path, number, "too few numbers" FORM);
  if (!(v[0] >= 1 && v[0] <= MAX_FRAME))
    return fail (error, path, number, "the frame is not in 1 .. 10000000");
  if (!(fabs (v[1]) < 1e15))
    return fail (error, path, number, "the id is beyond 10^15");
  for (int i = 2; i < 6; i++)
    if (!(fabs (v[i]) < 1e9))
      return fail (error, path, number, "a coordinate is beyond 10^9");

  const Row row = { .frame = (int) v[0],
    .id = (gint64) v[1],
    .x1 = v[2],
    .y1 = v[3],
    .x2 = v[2] + v[4],
    .y2 = v[3] + v[5],
    .mark = n > 6 ? v[6] : 1,
    .class = n > 7 ? (int) CLAMP (v[7], -1e9, 1e9) : -1,
    .line = number };
  g_array_append_val (rows, row);
  return TRUE;
}

static int
compare_lines (gconstpointer a, gconstpointer b)
{
  const Row *x = a, *y = b;

  if (x->frame != y->frame)
    return x->frame < y->frame ? -1 : 1;
  return x->line < y->line ? -1 : x->line > y->line;
}

static int
compare_ids (gconstpointer a, gconstpointer b)
{
  const Row *x = a, *y = b;

  if (x->frame == y->frame && x->id != y->id)
    return x->id < y->id ? -1 : 1;
  return compare_lines (a, b);
}

/* Whether no frame of @rows, which are by frame, has too many boxes. */
static gboolean
check_frames (const GArray *rows, const char *path, GError **error)
{
  for (guint i = MAX_BOXES; i < rows->len; i++) {
    const Row *row = &g_array_index (rows, Row, i);

    if (row[-MAX_BOXES].frame != row->frame)
      continue;
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s:%u: frame %d has more than %d boxes", path, row->line, row->frame,
        MAX_BOXES);
    return FALSE;
  }
  return TRUE;
}

/* Leaves @rows by frame and line. */
static gboolean
check_ids (GArray *rows, const char *path, GError **error)
{
  gboolean good = TRUE;

  g_array_sort (rows, compare_ids);
  for (guint i = 1; good && i < rows->len; i++) {
    const Row *a = &g_array_index (rows, Row, i - 1);
    const Row *b = &g_array_index (rows, Row, i);

    if (a->frame != b->frame || a->id != b->id)
      continue;
    good = FALSE;
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s:%u: frame %d has the id %" G_GINT64_FORMAT " twice (line %u)%s",
        path, b->line, b->frame, b->id, a->line,
        b->id == -1 ? "; these are detections, not tracks" : "");
  }
  g_array_sort (rows, compare_lines);
  return good;
}

/* (transfer full): of Row, by frame, else as in the file. */
static GArray *
read_rows (const char *path, GError **error)
{
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (Row));
  g_autofree char *data = NULL;
  gsize length;
  guint number = 0;

  if (!defcn_file_read_text (&data, &length, path, MAX_BYTES, error))
    return NULL;
  for (const char *line = data, *end; line < data + length; line = end + 1) {
    end = memchr (line, '\n', (gsize) (data + length - line));
    if (!end)
      end = data + length;
    if (!read_line (rows, path, ++number, line, end, error))
      return NULL;
  }
  return check_ids (rows, path, error) && check_frames (rows, path, error)
      ? g_steal_pointer (&rows)
      : NULL;
}

double
defcn_mot_iou (const DefcnMotBox *a, const DefcnMotBox *b)
{
  const double w = MAX (MIN (a->x2, b->x2) - MAX (a->x1, b->x1), 0);
  const double h = MAX (MIN (a->y2, b->y2) - MAX (a->y1, b->y1), 0);
  const double area_a = (a->x2 - a->x1) * (a->y2 - a->y1);
  const double area_b = (b->x2 - b->x1) * (b->y2 - b->y1);
  const double both = area_a + area_b - w * h;

  return area_a <= DBL_EPSILON || area_b <= DBL_EPSILON || both <= DBL_EPSILON
      ? 0
      : w * h / both;
}

static DefcnMotBox
box_of (const Row *row)
{
  return (DefcnMotBox){ 0, row->x1, row->y1, row->x2, row->y2 };
}

static gboolean
is_distractor (const Row *row)
{
  for (guint i = 0; i < G_N_ELEMENTS (distractors); i++)
    if (row->class == distractors[i])
      return TRUE;
  return FALSE;
}

/* Which of @n_result results are on a distractor.  @gone: one for each. */
static void
find_distracted (gboolean *gone, const Row *truth, guint n_truth,
    const Row *result, guint n_result)
{
  g_autofree double *worth = g_new (double, (gsize) n_truth *n_result + 1);
  g_autofree int *column = g_new (int, n_truth + 1);

  memset (gone, 0, n_result * sizeof *gone);
  if (!n_truth || !n_result)
    return;
  for (guint i = 0; i < n_truth; i++)
    for (guint j = 0; j < n_result; j++) {
      const DefcnMotBox a = box_of (&truth[i]), b = box_of (&result[j]);
      const double iou = defcn_mot_iou (&a, &b);

      worth[(gsize) i * n_result + j] = iou < SAME - DBL_EPSILON ? 0 : iou;
    }
  defcn_hungarian_solve (column, worth, (int) n_truth, (int) n_result, TRUE);
  for (guint i = 0; i < n_truth; i++)
    if (column[i] >= 0 && worth[(gsize) i * n_result + column[i]] > 0)
      gone[column[i]] = is_distractor (&truth[i]);
}

/* The number of @id, a new one at its first time. */
static int
number_of (GHashTable *numbers, gint64 id)
{
  gpointer number;

  if (!g_hash_table_lookup_extended (numbers, &id, NULL, &number)) {
    number = GINT_TO_POINTER ((int) g_hash_table_size (numbers));
    g_hash_table_insert (numbers, g_memdup2 (&id, sizeof id), number);
  }
  return GPOINTER_TO_INT (number);
}

static void
add_box (GArray *boxes, GHashTable *numbers, const Row *row)
{
  DefcnMotBox box = box_of (row);

  box.id = number_of (numbers, row->id);
  g_array_append_val (boxes, box);
}

/* One side of a sequence while it is put together. */
typedef struct
{
  const GArray *rows;
  guint at; /* the next row */
  GHashTable *numbers;
} Side;

static guint
count_frame (const Side *side, int frame)
{
  guint n = 0;

  while (side->at + n < side->rows->len
      && g_array_index (side->rows, Row, side->at + n).frame == frame)
    n++;
  return n;
}

static int
next_frame (const Side *side)
{
  return side->at < side->rows->len
      ? g_array_index (side->rows, Row, side->at).frame
      : G_MAXINT;
}

static void
add_frame (DefcnMotSequence *s, Side *truth, Side *result, gboolean classes,
    gboolean raw)
{
  const int number = MIN (next_frame (truth), next_frame (result));
  const guint n_truth = count_frame (truth, number);
  const guint n_result = count_frame (result, number);
  const Row *t = (const Row *) truth->rows->data + truth->at;
  const Row *r = (const Row *) result->rows->data + result->at;
  DefcnMotFrame frame = { .truth = s->truth->len, .result = s->result->len };
  g_autofree gboolean *gone = g_new0 (gboolean, n_result + 1);

  if (classes)
    find_distracted (gone, t, n_truth, r, n_result);
  for (guint i = 0; i < n_truth; i++)
    if (raw
        || (fabs (t[i].mark) >= 1 && (!classes || t[i].class == PEDESTRIAN)))
      add_box (s->truth, truth->numbers, &t[i]);
    else
      s->n_ignored++;
  for (guint i = 0; i < n_result; i++)
    if (gone[i])
      s->n_removed++;
    else
      add_box (s->result, result->numbers, &r[i]);
  frame.n_truth = s->truth->len - frame.truth;
  frame.n_result = s->result->len - frame.result;
  g_array_append_val (s->frames, frame);
  s->n_frames = (guint) number;
  truth->at += n_truth;
  result->at += n_result;
}

static gboolean
has_classes (const GArray *truth)
{
  for (guint i = 0; i < truth->len; i++)
    if (g_array_index (truth, Row, i).class > 0)
      return TRUE;
  return FALSE;
}

/* Whether all annotations have a class that there is, and all results are
 * pedestrians. */
static gboolean
check_classes (const GArray *truth, const char *truth_path,
    const GArray *result, const char *result_path, GError **error)
{
  for (guint i = 0; i < truth->len; i++) {
    const Row *row = &g_array_index (truth, Row, i);

    if (row->class < 1 || row->class > LAST_CLASS)
      return fail (error, truth_path, row->line,
          "the class is not in 1 .. 13, which others in the file are");
  }
  for (guint i = 0; i < result->len; i++) {
    const Row *row = &g_array_index (result, Row, i);

    if (row->class > PEDESTRIAN)
      return fail (error, result_path, row->line,
          "only pedestrians are evaluated, class 1 (or -1)");
  }
  return TRUE;
}

/* Whether there are few enough to keep a number for each pair. */
static gboolean
check_pairs (const DefcnMotSequence *s, const char *path, GError **error)
{
  if ((gint64) s->n_truth * s->n_result <= MAX_PAIRS)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: %d tracks for %d objects are more than %d pairs", path, s->n_result,
      s->n_truth, MAX_PAIRS);
  return FALSE;
}

DefcnMotSequence *
defcn_mot_sequence_open (const char *truth_path, const char *result_path,
    gboolean raw, GError **error)
{
  g_autoptr (GArray) truth = read_rows (truth_path, error);
  g_autoptr (GArray) result = truth ? read_rows (result_path, error) : NULL;
  DefcnMotSequence *s;

  if (!result)
    return NULL;
  const gboolean classes = !raw && has_classes (truth);
  if (classes && !check_classes (truth, truth_path, result, result_path, error))
    return NULL;
  s = g_new0 (DefcnMotSequence, 1);
  s->frames = g_array_new (FALSE, FALSE, sizeof (DefcnMotFrame));
  s->truth = g_array_new (FALSE, FALSE, sizeof (DefcnMotBox));
  s->result = g_array_new (FALSE, FALSE, sizeof (DefcnMotBox));

  g_autoptr (GHashTable) truth_ids =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_autoptr (GHashTable) result_ids =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  Side sides[] = { { truth, 0, truth_ids }, { result, 0, result_ids } };
  while (sides[0].at < truth->len || sides[1].at < result->len)
    add_frame (s, &sides[0], &sides[1], classes, raw);
  s->n_truth = (int) g_hash_table_size (truth_ids);
  s->n_result = (int) g_hash_table_size (result_ids);
  if (check_pairs (s, result_path, error))
    return s;
  defcn_mot_sequence_free (s);
  return NULL;
}

void
defcn_mot_sequence_free (DefcnMotSequence *s)
{
  if (!s)
    return;
  g_array_unref (s->frames);
  g_array_unref (s->truth);
  g_array_unref (s->result);
  g_free (s);
}
