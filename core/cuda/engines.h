/* The engines that cuDNN has for an operation graph.  Private to the graph's
 * files. */
#pragma once

#include "descriptors.h"

G_BEGIN_DECLS

/* An engine with its knobs, made into a plan. */
typedef struct
{
  Descriptor plan;
  gint64 workspace; /* bytes */
  char *name;       /* "eng7_k2=1_k3=0" */
} EnginesCandidate;

/* Adds the candidates for @operations to those there are, best first by cuDNN's
 * judgement, until there are @max.  @wanted: the name of the one that counts,
 * or NULL for any.  @repeatable: only such that give the same bits every time.
 * TRUE with at least one. */
gboolean engines_gather (GArray *candidates, Builder *b, Descriptor operations,
    const char *wanted, guint max, gboolean repeatable);

/* A plan as JSON, (transfer full), and back; NULL where cuDNN cannot do that.
 * @workspace: the bytes that the plan wants. */
char *engines_save (Descriptor plan);
Descriptor engines_load (Builder *b, const char *json, gint64 *workspace);

void engines_clear (EnginesCandidate *candidate);

G_END_DECLS
