/* Gradients on their way over ranks, in buckets. */
#include "buckets.h"

#define BUCKET_BYTES (4 << 20)

/* A gradient's place. */
typedef struct
{
  guint bucket;
  gsize offset; /* in floats */
} Entry;

typedef struct
{
  float *values; /* NULL where gradients are summed in place */
  gsize len;
  guint first, n_entries, n_told; /* n_told: of this round */
} Bucket;

struct _DefcnBuckets
{
  DefcnRanks *ranks;
  DefcnCollective *collective;
  DefcnBackend *be;
  gsize bytes;
  GPtrArray *params; /* of DefcnTensor, in the order of the first round */
  GArray *entries;   /* of Entry, one for each */
  GArray *buckets;   /* of Bucket */
  guint told;
  gboolean planned; /* the first round, which sends all at its end, is over */
  GError *failure;  /* of this round, until its end */
};

DefcnBuckets *
defcn_buckets_new (DefcnRanks *ranks, DefcnCollective *collective,
    DefcnBackend *be, gsize bytes)
{
  DefcnBuckets *b = g_new0 (DefcnBuckets, 1);

  b->ranks = ranks;
  b->collective = collective;
  b->be = be;
  b->bytes = bytes ? bytes : BUCKET_BYTES;
  b->params = g_ptr_array_new ();
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
  g_ptr_array_unref (b->params);
  g_clear_error (&b->failure);
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
  Entry entry = { .bucket = bucket_for (b, len) };
  Bucket *bucket = &g_array_index (b->buckets, Bucket, entry.bucket);

  if (bucket->n_entries == 0)
    bucket->first = b->params->len;
  entry.offset = bucket->len;
  bucket->len += len;
  bucket->n_entries++;
  g_ptr_array_add (b->params, param);
  g_array_append_val (b->entries, entry);
}

static void
download (DefcnBuckets *b, guint i)
{
  const Entry *entry = &g_array_index (b->entries, Entry, i);
  Bucket *bucket = &g_array_index (b->buckets, Bucket, entry->bucket);
  const DefcnTensor *t = b->params->pdata[i];

  if (!bucket->values)
    bucket->values = g_new (float, bucket->len);
  b->be->download (b->be, t, bucket->values + entry->offset, t->grad);
}

static void
send (DefcnBuckets *b, Bucket *bucket)
{
  if (!b->collective)
    defcn_ranks_sum_begin (b->ranks, bucket->values, bucket->len);
  else if (!b->failure)
    defcn_collective_sum (b->collective,
        (DefcnTensor *const *) b->params->pdata + bucket->first,
        bucket->n_entries, &b->failure);
}

/* Takes the gradient of entry @i along, and sends the bucket off with its
 * last. */
static void
take (DefcnBuckets *b, guint i)
{
  const Entry *entry = &g_array_index (b->entries, Entry, i);
  Bucket *bucket = &g_array_index (b->buckets, Bucket, entry->bucket);

  if (!b->collective)
    download (b, i);
  if (++bucket->n_told < bucket->n_entries)
    return;
  bucket->n_told = 0;
  send (b, bucket);
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
  g_return_if_fail (b->params->pdata[b->told] == param);
  take (b, b->told++);
}

/* The sums that the host has, to where they are wanted. */
static void
upload (DefcnBuckets *b)
{
  for (guint i = 0; i < b->entries->len; i++) {
    const Entry *entry = &g_array_index (b->entries, Entry, i);
    const Bucket *bucket = &g_array_index (b->buckets, Bucket, entry->bucket);
    const DefcnTensor *t = b->params->pdata[i];

    b->be->upload (b->be, t, t->grad, bucket->values + entry->offset);
  }
}

gboolean
defcn_buckets_finish (DefcnBuckets *b, GError **error)
{
  for (guint i = 0; !b->planned && i < b->entries->len; i++)
    take (b, i);
  b->planned = TRUE;
  b->told = 0;
  if (b->failure) {
    g_propagate_error (error, g_steal_pointer (&b->failure));
    return FALSE;
  }
  if (b->collective)
    return defcn_collective_wait (b->collective, error);
  if (!defcn_ranks_sum_wait (b->ranks, error))
    return FALSE;
  upload (b);
  return TRUE;
}

guint
defcn_buckets_count (const DefcnBuckets *b)
{
  return b->buckets->len;
}
