/* What one zone or line has counted, in all and by class. */
#include "tally.h"

typedef struct
{
  GstDefcnSceneCount count; /* occupancy: of tracks */
  guint loose;              /* and of objects without a track */
  double dwell;             /* ns, of all who have left */
} Row;

struct _GstDefcnTally
{
  GArray *rows; /* Row, the first of all labels */
};

GstDefcnTally *
gst_defcn_tally_new (void)
{
  GstDefcnTally *tally = g_new (GstDefcnTally, 1);
  const Row all = { { 0 } };

  tally->rows = g_array_new (FALSE, FALSE, sizeof all);
  g_array_append_val (tally->rows, all);
  return tally;
}

void
gst_defcn_tally_free (GstDefcnTally *tally)
{
  if (!tally)
    return;
  g_array_unref (tally->rows);
  g_free (tally);
}

static Row *
row_at (const GstDefcnTally *tally, guint i)
{
  return &g_array_index (tally->rows, Row, i);
}

/* The two rows that somebody of class @label counts in, the second NULL where
 * there is no label. */
static void
rows_of (Row *rows[2], GstDefcnTally *tally, GQuark label)
{
  const Row new = { .count = { .label = label } };
  guint i = label ? 1 : 0;

  while (
      label && i < tally->rows->len && row_at (tally, i)->count.label != label)
    i++;
  if (i == tally->rows->len)
    g_array_append_val (tally->rows, new);
  rows[0] = row_at (tally, 0);
  rows[1] = label ? row_at (tally, i) : NULL;
}

void
gst_defcn_tally_enter (GstDefcnTally *tally, GQuark label)
{
  Row *rows[2];

  rows_of (rows, tally, label);
  for (guint i = 0; i < 2 && rows[i]; i++) {
    rows[i]->count.occupancy++;
    rows[i]->count.entered++;
  }
}

void
gst_defcn_tally_leave (GstDefcnTally *tally, GQuark label, guint64 dwell)
{
  Row *rows[2];

  rows_of (rows, tally, label);
  for (guint i = 0; i < 2 && rows[i]; i++) {
    GstDefcnSceneCount *count = &rows[i]->count;

    count->occupancy--;
    count->left++;
    count->dwell_max = MAX (count->dwell_max, dwell);
    rows[i]->dwell += (double) dwell;
  }
}

void
gst_defcn_tally_cross (GstDefcnTally *tally, GQuark label, gboolean forward)
{
  Row *rows[2];

  rows_of (rows, tally, label);
  for (guint i = 0; i < 2 && rows[i]; i++)
    if (forward)
      rows[i]->count.forward++;
    else
      rows[i]->count.backward++;
}

void
gst_defcn_tally_see (GstDefcnTally *tally, GQuark label)
{
  Row *rows[2];

  rows_of (rows, tally, label);
  for (guint i = 0; i < 2 && rows[i]; i++)
    rows[i]->loose++;
}

void
gst_defcn_tally_forget (GstDefcnTally *tally)
{
  for (guint i = 0; i < tally->rows->len; i++)
    row_at (tally, i)->loose = 0;
}

void
gst_defcn_tally_reset (GstDefcnTally *tally)
{
  for (guint i = 0; i < tally->rows->len; i++) {
    Row *row = row_at (tally, i);

    *row = (Row){ .count = { .label = row->count.label,
                      .occupancy = row->count.occupancy },
      .loose = row->loose };
  }
}

static GstDefcnSceneCount
count_of (const Row *row)
{
  GstDefcnSceneCount count = row->count;

  count.occupancy += row->loose;
  if (count.left)
    count.dwell_mean = (guint64) (row->dwell / (double) count.left);
  return count;
}

GArray *
gst_defcn_tally_read (const GstDefcnTally *tally, GstDefcnSceneCount *all)
{
  GArray *classes = g_array_sized_new (FALSE, FALSE,
      sizeof (GstDefcnSceneCount), tally->rows->len);

  *all = count_of (row_at (tally, 0));
  for (guint i = 1; i < tally->rows->len; i++) {
    const GstDefcnSceneCount count = count_of (row_at (tally, i));

    g_array_append_val (classes, count);
  }
  return classes;
}
