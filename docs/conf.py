"""How Sphinx builds the documentation; `make docs`."""

import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

HERE = Path(__file__).parent
SCRATCH = Path(tempfile.mkdtemp(prefix='aiida-mtp-docs-'))
os.environ['AIIDA_PATH'] = str(SCRATCH)
warnings.filterwarnings('ignore', 'Creating AiiDA configuration folder')

# The kernels that run the examples begin without the user's settings, and do not warn of the
# loopback they are reached by; one of furo's packages turns every log on
os.environ['IPYTHONDIR'] = str(SCRATCH / 'ipython')
profile = SCRATCH / 'ipython' / 'profile_default'
profile.mkdir(parents=True)
(profile / 'ipython_kernel_config.py').write_text("c.IPKernelApp.log_level = 'ERROR'\n")
logging.getLogger('traitlets').setLevel(logging.WARNING)

from aiida import load_profile
from aiida.storage.sqlite_temp import SqliteTempBackend

import aiida_mtp

# work chains tell their inputs with nodes; autodoc looks at everything a node has, old names too
options = {'warnings.showdeprecations': False}
load_profile(SqliteTempBackend.create_profile('docs', options=options))

project = 'aiida-mtp'
author = 'The aiida-mtp developers'
copyright = author  # noqa: A001 - Sphinx calls it so
version = release = aiida_mtp.__version__

sys.path.insert(0, str(HERE))
extensions = [
    'aiida.sphinxext',
    'mathml',
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'sphinx_click',
    'sphinx_copybutton',
    'sphinxcontrib.programoutput',
]
exclude_patterns = ['_build', '*.py', 'examples/backend', 'examples/*.ipynb']
default_role = 'code'  # as docstrings use single backquotes

# Pages in Markdown, and the examples: scripts with cells, run when the pages are built
nb_custom_formats = {'.py': ['jupytext.reads', {'fmt': 'py:percent'}]}
nb_execution_mode = 'cache'
nb_execution_cache_path = str(HERE / '_build' / 'executed')
nb_execution_timeout = 1800  # of a cell, on a machine that is busy with other things
nb_execution_raise_on_error = True
nb_merge_streams = True
myst_enable_extensions = ['dollarmath', 'colon_fence', 'deflist']
myst_heading_anchors = 3
myst_update_mathjax = False
html_math_renderer = 'mathml'
copybutton_prompt_text = r'\$ '
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

autodoc_typehints = 'signature'
autodoc_member_order = 'bysource'
napoleon_google_docstring = False

html_theme = 'furo'
html_static_path = ['_static']
html_css_files = ['formulas.css']
html_title = 'aiida-mtp'
html_show_copyright = False
