/* A transport (training/ranks/transport.h) between threads of one program, each
 * of which is a rank, and what it is told to do wrong.
 *
 *   hub_run (3, play, data);      calls play (rank's ranks, data) on three
 */
#pragma once

#include "ranks/ranks.h"

#define HUB_MAX 4
#define HUB_SILENCE 1.5 /* s, where a rank is to be lost */
#define HUB_PATIENCE 10 /* s, where none is said: the machine may be busy */

/* Calls @play as each of @n ranks, in threads, and waits for all; it frees
 * what it is given.  Ranks join in the order of their numbers. */
void hub_run (int n, void (*play) (DefcnRanks *ranks, gpointer data),
    gpointer data);

/* What the next hub_run() has rank @rank begin with. */
void hub_set_options (int rank, const DefcnRanksOptions *options);
void hub_set_version (int rank, const char *version);

/* From here on nothing that @rank says comes through: it is lost. */
void hub_mute (int rank);
/* The rank that this thread plays, or -1. */
int hub_rank (void);
/* Numbers that all have given: sums, gathers and broadcasts that are done. */
int hub_done (void);
/* How many sums were begun, of all ranks together. */
int hub_sums (void);
/* How often ranks have left, well or not. */
int hub_left (gboolean good);
