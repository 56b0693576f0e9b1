/* Another model in the place of one that runs.
 *
 * It is opened and tried on a picture of the size of the last frame in a thread
 * of its own.  Then frames from now on are its, for all lanes at once, and
 * those that were handed over before are still the old one's.  Whatever fails,
 * the old one stays.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "shared.h"

G_BEGIN_DECLS

/* Opens @setup in place of the model of @shared, but for its workers, batch
 * size and timeout.  Of several the last one wins: those that it overtakes are
 * not told of.  @updated: told once for the owner of each lane when the model
 * has been replaced, or for @asker alone when it has not.  FALSE with @error:
 * there is no thread for it, and nobody is told. */
gboolean gst_defcn_reload (GstDefcnShared *shared,
    const GstDefcnModelSetup *setup, GObject *asker, GstDefcnUpdated updated,
    GError **error);

G_END_DECLS
