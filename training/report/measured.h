/* What evaluations measured: figures, precision over recall, sizes, crowds,
 * reliability, classes and their confusion.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "subject.h"

G_BEGIN_DECLS

/* An evaluation, as figures.h writes it; borrowed. */
typedef struct
{
  const char *name;
  guint color; /* the run's, in all charts */
  const cJSON *figures;
  gint64 iteration;            /* of the run, where it measured */
  const DefcnSubject *subject; /* who measured; NULL: the run itself */
} DefcnMeasured;

/* Appends everything of @rows, of DefcnMeasured; there is one at least. */
void defcn_measured_append (GString *html, const GArray *rows);

G_END_DECLS
