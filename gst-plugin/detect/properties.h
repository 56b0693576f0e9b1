/* The properties of defcndetect. */
#pragma once

#include "state.h"

G_BEGIN_DECLS

void gst_defcn_properties_install (GObjectClass *klass);
/* Their defaults, for a new element, and away with their strings. */
void gst_defcn_properties_init (GstDefcnDetect *self);
void gst_defcn_properties_clear (GstDefcnDetect *self);

G_END_DECLS
