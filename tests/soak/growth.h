/* What grows in this process: a line through samples of its memory. */
#pragma once

#include <glib.h>

typedef struct
{
  double n, x, y, xx, xy, yy; /* sums: minutes, KB */
} Growth;

/* KB of resident memory, descriptors and threads of this process. */
guint64 growth_resident (void);
guint growth_descriptors (void);
guint growth_threads (void);
/* Prints what the descriptors are. */
void growth_show_descriptors (void);

void growth_add (Growth *growth, double minutes, double kilobytes);
/* Least squares, KB a minute; *@noise: its standard error. */
double growth_slope (const Growth *growth, double *noise);
