/* Which way up the frames of a stream are, by their image-orientation tags. */
#include "orientation.h"

#define MOST_ELEMENTS 64 /* that are looked at upstream, in a row */

static DefcnOrientation
from_method (GstVideoOrientationMethod method)
{
  switch (method) {
    case GST_VIDEO_ORIENTATION_90R:
      return DEFCN_ORIENTATION_RIGHT;
    case GST_VIDEO_ORIENTATION_180:
      return DEFCN_ORIENTATION_HALF;
    case GST_VIDEO_ORIENTATION_90L:
      return DEFCN_ORIENTATION_LEFT;
    case GST_VIDEO_ORIENTATION_HORIZ:
      return DEFCN_ORIENTATION_MIRROR;
    case GST_VIDEO_ORIENTATION_VERT:
      return DEFCN_ORIENTATION_FLIP;
    case GST_VIDEO_ORIENTATION_UL_LR:
      return DEFCN_ORIENTATION_TRANSPOSE;
    case GST_VIDEO_ORIENTATION_UR_LL:
      return DEFCN_ORIENTATION_ANTI_TRANSPOSE;
    default:
      return DEFCN_ORIENTATION_UPRIGHT;
  }
}

static gboolean
turns (GstObject *element)
{
  GstVideoOrientationMethod method = GST_VIDEO_ORIENTATION_IDENTITY;

  if (element && GST_IS_VIDEO_DIRECTION (element))
    g_object_get (element, "video-direction", &method, NULL);
  return method != GST_VIDEO_ORIENTATION_IDENTITY;
}

/* Returns: (transfer full) (nullable): the first pad that @pad is linked with
 * inside its element, or out of and into its bin. */
static GstPad *
behind (GstPad *pad)
{
  GstIterator *it = gst_pad_iterate_internal_links (pad);
  GValue value = G_VALUE_INIT;
  GstPad *found = NULL;

  if (it && gst_iterator_next (it, &value) == GST_ITERATOR_OK)
    found = g_value_dup_object (&value);
  if (G_IS_VALUE (&value))
    g_value_unset (&value);
  g_clear_pointer (&it, gst_iterator_free);
  return found;
}

/* Whether anything before @sink turns frames. */
static gboolean
is_turned (GstPad *sink)
{
  g_autoptr (GstPad) at = gst_object_ref (sink);

  for (int i = 0; at && i < MOST_ELEMENTS; i++) {
    g_autoptr (GstPad) peer = gst_pad_get_peer (at);
    g_autoptr (GstObject) element = NULL;

    if (!peer)
      return FALSE;
    element = gst_object_get_parent (GST_OBJECT (peer));
    if (turns (element))
      return TRUE;
    gst_object_unref (at);
    at = behind (peer);
  }
  return FALSE;
}

void
gst_defcn_orientation_take (GstDefcnOrientation *o, GstTagList *tags,
    GstPad *sink)
{
  const GstTagScope scope = gst_tag_list_get_scope (tags);
  GstVideoOrientationMethod method;

  if (!gst_video_orientation_from_tag (tags, &method))
    return;
  o->is_set[scope] = TRUE;
  o->scopes[scope] = from_method (method);
  o->turned = is_turned (sink);
}

DefcnOrientation
gst_defcn_orientation_of (const GstDefcnOrientation *o)
{
  if (o->turned)
    return DEFCN_ORIENTATION_UPRIGHT;
  if (o->is_set[GST_TAG_SCOPE_STREAM])
    return o->scopes[GST_TAG_SCOPE_STREAM];
  return o->scopes[GST_TAG_SCOPE_GLOBAL];
}
