/* Gradients on their way over ranks, in buckets. */
#include "buckets.h"

#define BUCKET_BYTES (4 << 20)

/* A gradient's place. */
typedef struct
{
  DefcnTensor *param;
  guint bucket;
  gsize offset; /* in floats */
} Entry;

typedef struct
{
  float *values;
  gsize len;
  guint n_entries, n_told; /* of this round */
} Bucket;

struct _DefcnBuckets
{
  DefcnRanks *ranks;
  DefcnBackend *be;
  gsize bytes;
  GArray *entries; /* of Entry, in the order of the first round */
  GArray *buckets; /* of Bucket */
  guint told;
  gboolean planned; /* the first round, which sends all at its end, is over */
};

DefcnBuckets *
defcn_buckets_new (DefcnRanks *ranks, DefcnBackend *be, gsize bytes)
{
  DefcnBuckets *b = g_new0 (DefcnBuckets, 1);

  b->ranks = ranks;
  b->be = be;
  b->bytes = bytes ? bytes : BUCKET_BYTES;
  b->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  b->buckets = g_array_new (FALSE, FALSE, sizeof (Bucket));
  return b;
}

void
defcn_buckets_free (DefcnBuckets *b)
{
  if (!b)
    return;
  for (guint i = 0; i < b->buckets->len; i++)
    g_free (g_array_index (b->buckets, Bucket, i).values);
  g_array_unref (b->entries);
  g_array_unref (b->buckets);
  g_free (b);
}

/* The bucket that takes @len floats more: the last, unless it is full. */
static guint
bucket_for (DefcnBuckets *b, gsize len)
{
  const Bucket empty = { NULL };
  guint n = b->buckets->len;

  if (n == 0
      || (g_array_index (b->buckets, Bucket, n - 1).len + len) * sizeof (float)
          > b->bytes) {
    g_array_append_val (b->buckets, empty);
    n++;
  }
  return n - 1;
}

static void
plan (DefcnBuckets *b, DefcnTensor *param)
{
  const gsize len = defcn_tensor_len (param);
  Entry entry = { .param = param, .bucket = bucket_for (b, len) };
  Bucket *bucket = &g_array_index (b->buckets, Bucket, entry.bucket);

  entry.offset = bucket->len;
  bucket->len += len;
  bucket->n_entries++;
  g_array_append_val (b->entries, entry);
}

/* Takes the gradient of an entry along, and sends the bucket off with its
 * last. */
static void
take (DefcnBuckets *b, const Entry *entry)
{
  Bucket *bucket = &g_array_index (b->buckets, Bucket, entry->bucket);
  const DefcnTensor *t = entry->param;

  if (!bucket->values)
    bucket->values = g_new (float, bucket->len);
  b->be->download (b->be, t, bucket->values + entry->offset, t->grad);
  if (++bucket->n_told < bucket->n_entries)
    return;
  bucket->n_told = 0;
  defcn_ranks_sum_begin (b->ranks, bucket->values, bucket->len);
}

void
defcn_buckets_tell (DefcnTensor *param, gpointer data)
{
  DefcnBuckets *b = data;

  if (!b->planned) {
    plan (b, param);
    return;
  }
  g_return_if_fail (b->told < b->entries->len);
  const Entry *entry = &g_array_index (b->entries, Entry, b->told++);
  g_return_if_fail (entry->param == param);
  take (b, entry);
}

gboolean
defcn_buckets_finish (DefcnBuckets *b, GError **error)
{
  for (guint i = 0; !b->planned && i < b->entries->len; i++)
    take (b, &g_array_index (b->entries, Entry, i));
  b->planned = TRUE;
  b->told = 0;
  if (!defcn_ranks_sum_wait (b->ranks, error))
    return FALSE;
  for (guint i = 0; i < b->entries->len; i++) {
    const Entry *entry = &g_array_index (b->entries, Entry, i);
    const Bucket *bucket = &g_array_index (b->buckets, Bucket, entry->bucket);
    const DefcnTensor *t = entry->param;

    b->be->upload (b->be, t, t->grad, bucket->values + entry->offset);
  }
  return TRUE;
}

guint
defcn_buckets_count (const DefcnBuckets *b)
{
  return b->buckets->len;
}
