/* Batches of training examples, decoded ahead by worker threads.  Every
 * example has a slot number; what goes into it follows from the seed and that
 * number alone. */
#include "loader.h"

#include "error.h"
#include "memory.h"

#include <math.h>
#include <string.h>

struct _DefcnLoader
{
  const DefcnDataset *dataset;
  DefcnLoaderOptions options;
  GArray *used;      /* of guint: samples that are trained on */
  gboolean grouped;  /* by aspect ratio */
  guint epoch_len;   /* samples of an epoch: @used, or whole runs of it */
  GArray *orders[2]; /* of guint: those of two epochs in a row */
  guint64 epochs[2]; /* whose they are */
  DefcnCache *cache; /* NULL: none */
  GThreadPool *pool;
  guint share;          /* of each batch, in images */
  guint ahead;          /* examples that are being decoded or wait */
  guint64 next, queued; /* own examples, counted from the first batch */
  double waited;

  GMutex lock;
  GCond done;
  DefcnExample **ring; /* @ahead of them */
  gboolean *ready;
  GHashTable *unreadable; /* sample index: reported already */
  GHashTable *warned;     /* likewise */
  gboolean stopping;
};

/* SplitMix64 of several words: one seed per purpose. */
static guint64
mix (guint64 a, guint64 b)
{
  guint64 z = a + 0x9E3779B97F4A7C15u * (b + 1);

  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static GRand *
rand_new (guint64 seed, guint64 number)
{
  const guint64 word = mix (seed, number);
  const guint32 words[2] = { (guint32) word, (guint32) (word >> 32) };

  return g_rand_new_with_seed_array (words, 2);
}

static void
shuffle (GArray *items, GRand *rand)
{
  for (guint i = items->len; i > 1; i--) {
    const guint j = g_rand_int_range (rand, 0, i);
    const guint v = g_array_index (items, guint, i - 1);

    g_array_index (items, guint, i - 1) = g_array_index (items, guint, j);
    g_array_index (items, guint, j) = v;
  }
}

static gboolean
is_wide (const DefcnDataset *dataset, guint sample)
{
  const DefcnSample *s = dataset->samples->pdata[sample];

  return s->width > s->height;
}

/* Joins shuffled samples into runs of one aspect-ratio group, so that pictures
 * that are padded to one size are alike.  What does not fill a run is left out
 * of this epoch, so that the next one starts with a whole run too. */
static GArray *
group_runs (const DefcnLoader *loader, const GArray *items, GRand *rand)
{
  const guint size = loader->options.group;
  g_autoptr (GArray) narrow = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GArray) wide = g_array_new (FALSE, FALSE, sizeof (guint));
  GArray *order = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < items->len; i++) {
    const guint sample = g_array_index (items, guint, i);
    GArray *group = is_wide (loader->dataset, sample) ? wide : narrow;

    g_array_append_val (group, sample);
    if (group->len == size) {
      g_array_append_vals (order, group->data, size);
      g_array_set_size (group, 0);
    }
  }
  return order;
}

/* Decides whether to group and how long an epoch is.  CrowdHuman's files do
 * not say how large images are. */
static void
plan_epoch (DefcnLoader *loader)
{
  const guint size = MAX (1, loader->options.group);
  guint wide = 0;

  for (guint i = 0; i < loader->used->len; i++)
    wide += is_wide (loader->dataset, g_array_index (loader->used, guint, i));

  const guint narrow = loader->used->len - wide;
  const guint whole = wide / size * size + narrow / size * size;
  loader->grouped = size > 1 && !loader->dataset->crowdhuman && whole > 0;
  loader->epoch_len = loader->grouped ? whole : loader->used->len;
}

/* The order of one epoch; the lock is held. */
static const GArray *
order_of (DefcnLoader *loader, guint64 epoch)
{
  GArray **order = &loader->orders[epoch % 2];

  if (!*order || loader->epochs[epoch % 2] != epoch) {
    GRand *rand = rand_new (loader->options.seed, 2 * epoch);
    g_autoptr (GArray) items = g_array_copy (loader->used);

    shuffle (items, rand);
    g_clear_pointer (order, g_array_unref);
    *order = loader->grouped ? group_runs (loader, items, rand)
                             : g_array_ref (items);
    loader->epochs[epoch % 2] = epoch;
    g_rand_free (rand);
  }
  return *order;
}

/* The sample of place @place of the endless sequence of epochs. */
static guint
sample_at (DefcnLoader *loader, guint64 place)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&loader->lock);
  const GArray *order = order_of (loader, place / loader->epoch_len);

  return g_array_index (order, guint, place % loader->epoch_len);
}

static void
report (DefcnLoader *loader, guint sample, const GError *error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&loader->lock);

  if (g_hash_table_add (loader->unreadable, GUINT_TO_POINTER (sample)))
    g_warning ("skipped: %s", error->message);
}

/* A picture with harmless faults is used, and reported once. */
static void
note_warning (DefcnLoader *loader, guint sample, const DefcnPicture *picture)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&loader->lock);

  if (picture->warning
      && g_hash_table_add (loader->warned, GUINT_TO_POINTER (sample)))
    g_warning ("%s", picture->warning);
}

/* The picture of @sample: the cache's, or else @own too, which the caller
 * frees.  NULL with @error. */
static const DefcnPicture *
load (DefcnLoader *loader, DefcnPicture **own, guint sample, GError **error)
{
  const DefcnPicture *kept =
      loader->cache ? defcn_cache_get (loader->cache, sample) : NULL;

  *own = NULL;
  if (kept)
    return kept;

  DefcnPicture *picture =
      defcn_dataset_picture (loader->dataset, sample, error);
  if (!picture)
    return NULL;
  note_warning (loader, sample, picture);
  if (!loader->cache || !defcn_cache_add (loader->cache, sample, picture))
    *own = picture;
  return picture;
}

/* The picture of place @place, or of the next one that can be read; NULL when
 * a whole epoch cannot. */
static const DefcnPicture *
load_at (DefcnLoader *loader, DefcnPicture **own, guint *sample, guint64 place)
{
  for (guint i = 0; i < loader->epoch_len; i++) {
    g_autoptr (GError) error = NULL;

    *sample = sample_at (loader,
        place / loader->epoch_len * loader->epoch_len
            + (place + i) % loader->epoch_len);
    const DefcnPicture *picture = load (loader, own, *sample, &error);

    if (picture)
      return picture;
    report (loader, *sample, error);
  }
  return NULL;
}

/* Annotations are in the pixels of the file's record; a picture of another
 * size is scaled to it. */
static GArray *
objects_for (const DefcnLoader *loader, guint sample,
    const DefcnPicture *picture)
{
  const DefcnSample *s = loader->dataset->samples->pdata[sample];
  GArray *objects = defcn_dataset_objects (loader->dataset, sample);

  if (s->width == 0
      || (s->width == picture->width && s->height == picture->height))
    return objects;

  const float sx = (float) picture->width / s->width;
  const float sy = (float) picture->height / s->height;
  for (guint i = 0; i < objects->len; i++) {
    DefcnObject *o = &g_array_index (objects, DefcnObject, i);

    o->x1 *= sx;
    o->x2 *= sx;
    o->y1 *= sy;
    o->y2 *= sy;
  }
  return objects;
}

static DefcnExample *
example_at (DefcnLoader *loader, const DefcnAugment *augment, guint64 place,
    GRand *rand)
{
  guint sample;
  g_autoptr (DefcnPicture) own = NULL;
  const DefcnPicture *picture = load_at (loader, &own, &sample, place);

  if (!picture)
    return NULL;
  g_autoptr (GArray) objects = objects_for (loader, sample, picture);
  return defcn_augment_run (augment, picture, objects, rand);
}

/* Copies @part into the quarter @k of @whole. */
static void
paste (DefcnExample *whole, const DefcnExample *part, int k)
{
  const int left = k % 2 * part->width, top = k / 2 * part->height;

  for (int y = 0; y < part->height; y++)
    memcpy (whole->rgb + ((gsize) (top + y) * whole->width + left) * 3,
        part->rgb + (gsize) y * part->width * 3, (gsize) part->width * 3);
  for (guint i = 0; i < part->objects->len; i++) {
    DefcnObject o = g_array_index (part->objects, DefcnObject, i);

    o.x1 += left;
    o.x2 += left;
    o.y1 += top;
    o.y2 += top;
    g_array_append_val (whole->objects, o);
  }
}

/* Four examples of half the canvas side by side. */
static DefcnExample *
mosaic_at (DefcnLoader *loader, guint64 place, GRand *rand)
{
  DefcnAugment quarter = loader->options.augment;
  DefcnExample *whole = g_new0 (DefcnExample, 1);
  gboolean good = TRUE;

  quarter.canvas_width /= 2;
  quarter.canvas_height /= 2;
  whole->width = quarter.canvas_width * 2;
  whole->height = quarter.canvas_height * 2;
  whole->rgb = g_malloc0 ((gsize) whole->width * whole->height * 3);
  whole->objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  for (int k = 0; k < 4 && good; k++) {
    const guint64 other = k == 0 ? place
                                 : place / loader->epoch_len * loader->epoch_len
            + g_rand_int_range (rand, 0, loader->epoch_len);
    g_autoptr (DefcnExample) part = example_at (loader, &quarter, other, rand);

    good = part != NULL;
    if (good)
      paste (whole, part, k);
  }
  if (!good)
    g_clear_pointer (&whole, defcn_example_free);
  return whole;
}

/* Number among the examples of all processes of the @own-th of this one. */
static guint64
slot_of (const DefcnLoader *loader, guint64 own)
{
  return own / loader->share * loader->options.batch
      + (guint64) loader->options.part * loader->share + own % loader->share;
}

static void
work (gpointer data, gpointer user_data)
{
  DefcnLoader *loader = user_data;
  const guint64 own = GPOINTER_TO_SIZE (data) - 1;
  const guint64 slot = slot_of (loader, own);
  GRand *rand = rand_new (loader->options.seed, 2 * slot + 1);
  const DefcnAugment *augment = &loader->options.augment;
  DefcnExample *example = NULL;

  g_mutex_lock (&loader->lock);
  const gboolean stopping = loader->stopping;
  g_mutex_unlock (&loader->lock);
  if (!stopping) {
    const gboolean mosaic =
        augment->mosaic > 0 && g_rand_double (rand) < augment->mosaic;

    example = mosaic ? mosaic_at (loader, slot, rand)
                     : example_at (loader, augment, slot, rand);
  }
  g_rand_free (rand);

  g_mutex_lock (&loader->lock);
  loader->ring[own % loader->ahead] = example;
  loader->ready[own % loader->ahead] = TRUE;
  g_cond_broadcast (&loader->done);
  g_mutex_unlock (&loader->lock);
}

static void
queue_examples (DefcnLoader *loader)
{
  while (loader->queued < loader->next + loader->ahead) {
    g_thread_pool_push (loader->pool, GSIZE_TO_POINTER (loader->queued + 1),
        NULL);
    loader->queued++;
  }
}

/* Bytes of decoded pictures to keep. */
static guint64
cache_limit (const DefcnLoaderOptions *options)
{
  const int sharers = MAX (options->sharers, 1);

  return options->cache < 0 ? defcn_memory_available ("/") / 4 / sharers
                            : (guint64) options->cache << 20;
}

DefcnLoader *
defcn_loader_new (const DefcnDataset *dataset,
    const DefcnLoaderOptions *options, guint64 first, GError **error)
{
  g_return_val_if_fail (options->batch % MAX (options->parts, 1) == 0, NULL);

  g_autoptr (DefcnLoader) loader = g_new0 (DefcnLoader, 1);
  g_autoptr (GError) problem = NULL;

  loader->dataset = dataset;
  loader->options = *options;
  loader->share = options->batch / MAX (options->parts, 1);
  loader->used = defcn_dataset_trainable (dataset, options->background);
  loader->unreadable = g_hash_table_new (NULL, NULL);
  loader->warned = g_hash_table_new (NULL, NULL);
  g_mutex_init (&loader->lock);
  g_cond_init (&loader->done);
  if (loader->used->len == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no image to train on", dataset->path);
    return NULL;
  }
  if (options->augment.mosaic > 0
      && (options->augment.canvas_width < 2
          || options->augment.canvas_height < 2)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "mosaic needs a canvas, canvas_width and canvas_height are %d and %d",
        options->augment.canvas_width, options->augment.canvas_height);
    return NULL;
  }
  plan_epoch (loader);
  if (options->cache != 0)
    loader->cache = defcn_cache_new (cache_limit (options));
  loader->ahead = 2 * loader->share + options->workers;
  loader->ring = g_new0 (DefcnExample *, loader->ahead);
  loader->ready = g_new0 (gboolean, loader->ahead);
  loader->next = loader->queued = first * loader->share;
  /* With @problem set there may be a pool of fewer threads. */
  loader->pool =
      g_thread_pool_new (work, loader, options->workers, TRUE, &problem);
  if (problem) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return NULL;
  }
  queue_examples (loader);
  return g_steal_pointer (&loader);
}

void
defcn_loader_free (DefcnLoader *loader)
{
  if (!loader)
    return;
  if (loader->pool) {
    g_mutex_lock (&loader->lock);
    loader->stopping = TRUE;
    g_mutex_unlock (&loader->lock);
    g_thread_pool_free (loader->pool, FALSE, TRUE);
  }
  for (guint i = 0; i < loader->ahead; i++)
    defcn_example_free (loader->ring[i]);
  for (int i = 0; i < 2; i++)
    g_clear_pointer (&loader->orders[i], g_array_unref);
  defcn_cache_free (loader->cache);
  g_array_unref (loader->used);
  g_hash_table_unref (loader->unreadable);
  g_hash_table_unref (loader->warned);
  g_mutex_clear (&loader->lock);
  g_cond_clear (&loader->done);
  g_free (loader->ring);
  g_free (loader->ready);
  g_free (loader);
}

/* Waits for the @own-th example and takes it; counts unreadable images. */
static DefcnExample *
take (DefcnLoader *loader, guint64 own, gboolean *too_many)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&loader->lock);
  const guint i = own % loader->ahead;
  const gint64 start = g_get_monotonic_time ();

  while (!loader->ready[i])
    g_cond_wait (&loader->done, &loader->lock);
  loader->waited += (g_get_monotonic_time () - start) * 1e-6;
  loader->ready[i] = FALSE;
  *too_many = g_hash_table_size (loader->unreadable)
      > loader->options.max_unreadable * loader->used->len;
  return g_steal_pointer (&loader->ring[i]);
}

gboolean
defcn_loader_next (DefcnLoader *loader, DefcnExample **examples, GError **error)
{
  gboolean too_many = FALSE, missing = FALSE;
  const guint share = loader->share;

  for (guint i = 0; i < share; i++) {
    examples[i] = take (loader, loader->next++, &too_many);
    missing = missing || !examples[i];
    queue_examples (loader);
  }
  if (!too_many && !missing)
    return TRUE;
  for (guint i = 0; i < share; i++)
    g_clear_pointer (&examples[i], defcn_example_free);
  g_mutex_lock (&loader->lock);
  const guint n = g_hash_table_size (loader->unreadable);
  g_mutex_unlock (&loader->lock);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: %u of %u images cannot be read, more than the share of %g allowed "
      "(max_unreadable)",
      loader->dataset->path, n, loader->used->len,
      loader->options.max_unreadable);
  return FALSE;
}

guint64
defcn_loader_epoch (const DefcnLoader *loader)
{
  return MAX (1, loader->epoch_len / loader->options.batch);
}

double
defcn_loader_waited (const DefcnLoader *loader)
{
  return loader->waited;
}

void
defcn_loader_cache (const DefcnLoader *loader, DefcnCacheStats *stats)
{
  *stats = (DefcnCacheStats){ 0 };
  if (loader->cache)
    defcn_cache_stats (loader->cache, stats);
}
