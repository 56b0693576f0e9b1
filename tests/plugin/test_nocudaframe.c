/* What stands for frames in CUDA memory where gstreamer-cuda is not: every
 * frame is the host's, and there is no context.  Built everywhere. */
#include "detect/cudaframe.h"
#include "rig.h"

static void
test_none (void)
{
  g_autoptr (GstCaps) caps = gst_defcn_cudaframe_caps ();
  g_autoptr (GstBuffer) buffer = gst_buffer_new_allocate (NULL, 16, NULL);
  g_autoptr (GstElement) element =
      gst_object_ref_sink (gst_element_factory_make ("identity", NULL));
  g_autoptr (GstContext) context = gst_context_new ("gst.cuda.context", FALSE);
  g_autoptr (GstQuery) query = gst_query_new_context ("gst.cuda.context");
  DefcnImage image = { .memory = DEFCN_MEMORY_HOST };
  GstContext *answer = NULL;

  g_assert_true (gst_caps_is_empty (caps));
  g_assert_cmpint (gst_defcn_cudaframe_prepare (buffer), ==, 0);
  g_assert_null (gst_buffer_get_video_meta (buffer));
  gst_defcn_cudaframe_describe (&image, buffer);
  g_assert_cmpint (image.memory, ==, DEFCN_MEMORY_HOST);
  g_assert_null (gst_defcn_cudaframe_context (buffer));
  g_assert_null (gst_defcn_cudaframe_given_context (element, context));
  g_assert_false (gst_defcn_cudaframe_answer (element, query, NULL));
  g_assert_false (
      gst_defcn_cudaframe_answer (element, query, GST_OBJECT (element)));
  gst_query_parse_context (query, &answer);
  g_assert_null (answer);
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_func ("/nocudaframe/none", test_none);
  return rig_run ();
}
