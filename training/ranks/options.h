/* How ranks (ranks.h) find that one is lost, and what happens then.
 *
 * Thread rule: read-only once given.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _DefcnRanks DefcnRanks;

typedef struct
{
  double silence; /* seconds without a sign after which a rank is lost, 15 */
  /* Seconds after a failure in which the caller has to have come for it, 8;
   * else the rank that speaks says it, all leave, and the process ends. */
  double grace;
  /* Number of the signal that asked to stop, or 0.  Read, and set when another
   * rank was asked; set too (SIGTERM) when the run has failed.  Or NULL. */
  volatile int *stop;
  /* For that: on stderr, and by exit status 1. */
  void (*say) (const char *sentence);
  void (*end) (void);
} DefcnRanksOptions;

G_END_DECLS
