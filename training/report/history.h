/* What the folder of a training run tells, however much of it there is: a run
 * that is at work, was killed or resumed, or whose disk was full.
 *
 * Thread rule: read-only after opening.
 */
#pragma once

#include <cjson/cJSON.h>
#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  DEFCN_HISTORY_LOSS,
  DEFCN_HISTORY_CLS,
  DEFCN_HISTORY_BOX,
  DEFCN_HISTORY_AUX,
  DEFCN_HISTORY_CENTERNESS,
  DEFCN_HISTORY_LR,
  DEFCN_HISTORY_NORM,
  DEFCN_HISTORY_SPEED, /* images per second */
  DEFCN_HISTORY_N
} DefcnHistoryKey;

/* A line of metrics.jsonl about updates; NaN: not there, or not finite. */
typedef struct
{
  gint64 iteration;
  double values[DEFCN_HISTORY_N];
} DefcnUpdates;

/* One about an evaluation: what figures.h makes of it. */
typedef struct
{
  gint64 iteration;
  cJSON *figures;
} DefcnEvaluation;

typedef struct
{
  char *name, *path;
  GArray *updates;     /* of DefcnUpdates, by ascending iteration */
  GArray *evaluations; /* of DefcnEvaluation, likewise */
  GPtrArray *machines; /* of cJSON *, {"iteration", "machine": {..}}: where it
                          was trained, from there on */
  /* Key and value by turns, of char *, of the [recipe]; NULL: not known. */
  GPtrArray *recipe;
  char *model;      /* path of the best, else the last, model file; NULL */
  cJSON *training;  /* what that says of its training; NULL */
  GPtrArray *notes; /* of char *: what a reader should know, a sentence each */
} DefcnHistory;

/* Opens the run @path: its folder, or a model file alone.  @name: NULL for the
 * last part of @path.  What is missing, torn or not finite is told by notes.
 * NULL with @error where there is nothing of a run. */
DefcnHistory *defcn_history_open (const char *path, const char *name,
    GError **error);
void defcn_history_free (DefcnHistory *history);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnHistory, defcn_history_free)

/* Reads lines of metrics into the run, for tests: @text of @len bytes. */
void defcn_history_read (DefcnHistory *history, const char *text, gsize len);

/* The last evaluation's figures, borrowed; NULL without any. */
const cJSON *defcn_history_last (const DefcnHistory *history);
/* The value of a key of the recipe, borrowed; NULL without. */
const char *defcn_history_recipe (const DefcnHistory *history, const char *key);
/* The number under @key of @object; NaN where there is none. */
double defcn_history_number (const cJSON *object, const char *key);

G_END_DECLS
