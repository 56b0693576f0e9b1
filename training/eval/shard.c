/* The boxes of an evaluation, from all ranks to rank 0. */
#include "shard.h"

#include "boxes.h"

#include <string.h>

/* Of a picture in a column; its boxes follow. */
typedef struct
{
  guint32 column, sample, n;
  gint32 width, height;
} Record;

guint
defcn_shard_first (guint n, int rank, int size)
{
  return (guint) ((guint64) n * rank / size);
}

void
defcn_shard_append (GByteArray *bytes, DefcnColumn column, guint i, int width,
    int height, const GArray *boxes)
{
  const Record record = { column, i, boxes->len, width, height };

  g_byte_array_append (bytes, (const guint8 *) &record, sizeof record);
  if (boxes->len > 0)
    g_byte_array_append (bytes, (const guint8 *) boxes->data,
        boxes->len * sizeof (DefcnBox));
}

static void
visit_all (const GByteArray *bytes, DefcnShardVisit visit, gpointer data)
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  gsize at = 0;

  while (at < bytes->len) {
    Record record;

    memcpy (&record, bytes->data + at, sizeof record);
    at += sizeof record;
    g_array_set_size (boxes, 0);
    if (record.n > 0)
      g_array_append_vals (boxes, bytes->data + at, record.n);
    at += record.n * sizeof (DefcnBox);
    visit (record.column, record.sample, record.width, record.height, boxes,
        data);
  }
}

gboolean
defcn_shard_join (DefcnRanks *ranks, gboolean *stopped, GByteArray *bytes,
    DefcnShardVisit visit, gpointer data, GError **error)
{
  const int size = defcn_ranks_size (ranks);
  g_autofree gint32 *all = g_new (gint32, size);
  const gint32 mine = *stopped;

  if (!defcn_ranks_gather (ranks, all, &mine, sizeof mine, error))
    return FALSE;
  for (int i = 0; i < size; i++)
    *stopped = *stopped || all[i];
  for (int i = 1; i < size && !*stopped; i++) {
    g_autoptr (GByteArray) theirs = g_byte_array_new ();

    if (i == defcn_ranks_rank (ranks))
      g_byte_array_append (theirs, bytes->data, bytes->len);
    if (!defcn_ranks_share (ranks, i, theirs, error))
      return FALSE;
    if (defcn_ranks_rank (ranks) == 0)
      visit_all (theirs, visit, data);
  }
  return TRUE;
}
