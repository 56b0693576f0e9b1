/* Batches of training examples, decoded ahead by worker threads.
 *
 * The order and the augmentation depend on the seed and the batch number
 * alone, not on the number of workers or on where a run was resumed:
 * asking for batch i gives the same bytes always.  Pictures as they come from
 * the decoder are kept, so that the cache changes no byte either.
 *
 * Thread rule: one consumer.
 */
#pragma once

#include "augment.h"
#include "cache.h"

G_BEGIN_DECLS

typedef struct
{
  int batch;   /* images per batch */
  int group;   /* images in a row that are all wider than high or all not;
                  the reference's 2; 0: no grouping; a batch is a multiple of
                  it */
  int workers; /* decoding threads, at least 1 */
  guint64 seed;
  double max_unreadable; /* share of unreadable images that stops, 0.01 */
  gboolean background;   /* images without objects too */
  int cache; /* MiB of decoded pictures that are kept, 0: none; below 0: a
                quarter of the memory that is free when the loader is made */
  DefcnAugment augment;
  /* Several processes share each batch: this one has the @part-th, from 0, of
   * @parts equal ones, a row of batch / parts images; 0: all of it. */
  int part, parts;
  int sharers; /* processes that share the free memory; 0: one */
} DefcnLoaderOptions;

typedef struct _DefcnLoader DefcnLoader;

/* @dataset: borrowed, outlives the loader.  @first: number of the first batch
 * that next() returns. */
DefcnLoader *defcn_loader_new (const DefcnDataset *dataset,
    const DefcnLoaderOptions *options, guint64 first, GError **error);
void defcn_loader_free (DefcnLoader *loader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnLoader, defcn_loader_free)

/* Fills @examples[batch / parts] (transfer full each).  An unreadable image, or
 * one of another shape than its record (another scale will do: boxes are scaled
 * with it), is replaced by the next readable one of the epoch's order and
 * reported once by g_warning with its name; past max_unreadable of the dataset:
 * FALSE with @error. */
gboolean defcn_loader_next (DefcnLoader *loader, DefcnExample **examples,
    GError **error);
/* Batches per epoch, at least 1. */
guint64 defcn_loader_epoch (const DefcnLoader *loader);
/* Seconds that next() has waited for the workers so far. */
double defcn_loader_waited (const DefcnLoader *loader);
/* The decoded pictures that are kept; zeros where none are. */
void defcn_loader_cache (const DefcnLoader *loader, DefcnCacheStats *stats);

G_END_DECLS
