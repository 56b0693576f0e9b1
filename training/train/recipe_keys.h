/* What a training recipe holds, and its keys: the table behind recipe.h, where
 * every key has a name, a type, limits and its place in the recipe.  A new key
 * is a field, a row in the table and a value in the defaults of recipe.c.
 *
 * Thread rule: that of the recipe.
 */
#pragma once

#include "data/loader.h"
#include "model.h"
#include "optimizer.h"
#include "step.h"

G_BEGIN_DECLS

typedef struct
{
  char *annotations, *images;         /* training sets, ";" between them */
  char *val_annotations, *val_images; /* validation set, or NULL */
  int holdout;                        /* in its place every so manieth image of
                                         the training sets; 0: none */
  char *init;                         /* weights to start from, or NULL */
  DefcnReadOptions read;              /* of all sets; owns its classes */
  gboolean exif;                      /* pictures are turned by it */
  char *backbone, *pixels;            /* words of backbone.h */
  DefcnSpec *spec;                    /* labels come from the training set */
  GHashTable *given;                  /* names of the keys that somebody set */
  DefcnStepRule step;
  DefcnLoaderOptions loader;
  DefcnOptimizerOptions optimizer;
  /* POTO's alpha stays for alpha_hold of the iterations and goes from there in
   * a line to final_alpha at the last; below 0: it stays. */
  float final_alpha;
  double alpha_hold;
  int micro_batch; /* images per pass through the network, 0: the batch */
  double epochs;   /* > 0: iterations = epochs of the training set */
  gint64 eval_interval, checkpoint_interval, log_interval;
  int threads;
  char *precision; /* what the device computes in: fp32, tf32 or bf16; weights,
                      their gradients and the optimizer are float32 */
} DefcnRecipe;

/* Sets the key @name from text.  @folder: what relative paths of data are
 * relative to, NULL: the working directory.  FALSE with @error naming the key,
 * the value and what was wanted. */
gboolean defcn_recipe_keys_set (DefcnRecipe *recipe, const char *name,
    const char *value, const char *folder, GError **error);
/* The same for a value that nobody gave: it follows from another file. */
gboolean defcn_recipe_keys_adopt (DefcnRecipe *recipe, const char *name,
    const char *value, GError **error);
/* Whether the key @name was set since the presets. */
gboolean defcn_recipe_keys_given (const DefcnRecipe *recipe, const char *name);
/* Its value as text, (transfer full); "" for no such key. */
char *defcn_recipe_keys_get (const DefcnRecipe *recipe, const char *name);
/* Frees the values of all keys. */
void defcn_recipe_keys_clear (DefcnRecipe *recipe);

/* Appends lines of key=value, which _set takes.  @paths: with the paths of
 * data, absolute and escaped as key files want it. */
void defcn_recipe_keys_append (GString *text, const DefcnRecipe *recipe,
    gboolean paths);
/* Appends one line per key: name, value, meaning. */
void defcn_recipe_keys_append_help (GString *text, const DefcnRecipe *recipe);

G_END_DECLS
