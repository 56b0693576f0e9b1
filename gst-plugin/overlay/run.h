/* A piece of text as a mask, ready to be painted at a pen on a base line. */
#pragma once

#include "paint.h"

G_BEGIN_DECLS

/* All in pixels. */
typedef struct
{
  GstDefcnMask mask;   /* owns its cover */
  int x, y;            /* of the mask, from the pen */
  int advance;         /* of the pen, to the right */
  int ascent, descent; /* of the line, above and below the pen */
} GstDefcnRun;

G_END_DECLS
