"""What is known about names in code, as plain tables: read here why a cell waits for approval.

A name that no table lists is unknown, and what is unknown waits. Names of functions are dotted (`pandas.read_csv`); `*` at
the end stands for everything below; the longest match counts. Names of methods hold for whatever object they are called on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal["pure", "view", "changes", "files", "network", "installs", "shell", "hidden"]
"""What a call does: `pure` gives a new object, `view` one that shares data with its receiver or arguments,
`changes` alters its receiver in place, and the rest reach beyond the kernel or cannot be known."""


def words(text: str) -> list[str]:
    """The words of a table."""
    return text.split()


def _table(**kinds: str) -> dict[str, Kind]:
    return {name: kind for kind, names in kinds.items() for name in names.split()}  # pyright: ignore[reportReturnType]


FUNCTIONS: Mapping[str, Kind] = _table(
    pure="""
    builtins.abs builtins.all builtins.any builtins.ascii builtins.bin builtins.bool builtins.bytes builtins.callable
    builtins.chr builtins.complex builtins.divmod builtins.float builtins.format builtins.frozenset builtins.hash builtins.hex
    builtins.id builtins.int builtins.isinstance builtins.issubclass builtins.len builtins.max builtins.min builtins.oct
    builtins.ord builtins.pow builtins.print builtins.range builtins.repr builtins.round builtins.slice builtins.str
    builtins.sum builtins.type builtins.hasattr builtins.object builtins.help
    builtins.*Error builtins.*Exception builtins.*Warning builtins.StopIteration builtins.KeyboardInterrupt
    builtins.bytearray builtins.property builtins.staticmethod builtins.classmethod builtins.super
    IPython.display.display IPython.display.Markdown IPython.display.HTML IPython.display.Latex IPython.display.JSON
    math.* cmath.* statistics.* decimal.* fractions.* datetime.* calendar.* time.time time.perf_counter time.monotonic
    time.strftime time.gmtime time.localtime time.process_time zoneinfo.ZoneInfo
    string.* re.* textwrap.* unicodedata.* difflib.* json.loads json.dumps hashlib.* hmac.* base64.* binascii.* struct.*
    uuid.* random.* secrets.* numbers.* operator.* copy.copy copy.deepcopy pprint.pprint pprint.pformat
    collections.* collections.abc.* dataclasses.* enum.* typing.* typing_extensions.* abc.* types.SimpleNamespace
    types.MappingProxyType functools.partial functools.reduce functools.lru_cache functools.cache functools.wraps
    functools.cmp_to_key functools.total_ordering itertools.* heapq.nlargest heapq.nsmallest heapq.merge
    bisect.bisect bisect.bisect_left bisect.bisect_right contextlib.suppress contextlib.nullcontext warnings.catch_warnings
    urllib.parse.* os.path.join os.path.basename os.path.dirname os.path.splitext os.path.split os.path.normpath
    os.getcwd os.cpu_count os.getpid os.environ.get os.getenv pathlib.* sys.getsizeof platform.* locale.getlocale
    numpy.* pandas.* polars.* narwhals.* scipy.* statsmodels.* sklearn.* xarray.* pyarrow.* dask.array.* patsy.* sympy.*
    networkx.* shapely.* geopandas.* pingouin.* lifelines.* xgboost.* lightgbm.* tabulate.tabulate humanize.* dateutil.* pytz.*
    matplotlib.* mpl_toolkits.* seaborn.* plotly.* altair.* bokeh.* plotnine.* PIL.ImageOps.* PIL.Image.new PIL.Image.fromarray
    tqdm.* missingno.* wordcloud.* squarify.* adjustText.*
    """,
    view="""
    builtins.dict builtins.list builtins.set builtins.tuple builtins.enumerate builtins.filter builtins.map builtins.zip
    builtins.reversed builtins.sorted builtins.iter builtins.memoryview
    numpy.asarray numpy.asanyarray numpy.ascontiguousarray numpy.ravel numpy.reshape numpy.transpose numpy.squeeze
    numpy.swapaxes numpy.moveaxis numpy.expand_dims numpy.atleast_1d numpy.atleast_2d numpy.atleast_3d numpy.broadcast_to
    numpy.broadcast_arrays numpy.split numpy.array_split numpy.hsplit numpy.vsplit numpy.diag numpy.diagonal numpy.real
    numpy.imag numpy.flip numpy.fliplr numpy.flipud numpy.rot90 numpy.lib.* numpy.frombuffer numpy.nditer numpy.require
    numpy.array pandas.array pandas.DataFrame pandas.Series pandas.Index pandas.concat pandas.merge pandas.ExcelWriter
    collections.deque collections.ChainMap collections.UserDict collections.UserList copy.copy types.SimpleNamespace
    types.MappingProxyType itertools.* dataclasses.replace functools.partial functools.reduce heapq.merge typing.cast
    polars.DataFrame polars.Series polars.from_numpy polars.from_arrow polars.from_pandas polars.concat pyarrow.table pyarrow.array
    matplotlib.pyplot.gca matplotlib.pyplot.gcf matplotlib.pyplot.sca
    """,
    changes="""
    builtins.next numpy.copyto numpy.put numpy.place numpy.putmask numpy.fill_diagonal numpy.put_along_axis
    numpy.random.seed numpy.random.set_state numpy.random.shuffle random.seed random.setstate random.shuffle numpy.seterr
    numpy.set_printoptions numpy.seterrcall pandas.set_option pandas.reset_option pandas.options.* polars.Config*
    polars.set_random_seed polars.enable_string_cache heapq.heappush heapq.heappop heapq.heapify heapq.heapreplace heapq.heappushpop
    bisect.insort bisect.insort_left bisect.insort_right warnings.filterwarnings warnings.simplefilter warnings.resetwarnings
    matplotlib.use matplotlib.rc matplotlib.rcdefaults matplotlib.rcParams* matplotlib.style.use matplotlib.pyplot.style.use
    matplotlib.pyplot.switch_backend matplotlib.pyplot.rc matplotlib.pyplot.rcdefaults matplotlib.pyplot.close
    matplotlib.pyplot.clf matplotlib.pyplot.cla matplotlib.pyplot.ion matplotlib.pyplot.ioff matplotlib.pyplot.setp
    matplotlib.artist.setp matplotlib.pyplot.set_cmap matplotlib.pyplot.delaxes
    seaborn.set seaborn.set_theme seaborn.set_style seaborn.set_context seaborn.set_palette seaborn.reset_defaults
    plotly.io.templates* altair.data_transformers* altair.themes* altair.renderers* locale.setlocale decimal.setcontext
    decimal.getcontext functools.update_wrapper operator.setitem operator.delitem operator.iadd operator.iconcat operator.isub
    operator.imul operator.ior operator.iand operator.methodcaller operator.attrgetter operator.itemgetter
    time.tzset sys.setrecursionlimit gc.* sklearn.set_config collections.abc.*.register abc.ABCMeta*
    IPython.display.clear_output sympy.init_printing tqdm.pandas tqdm.*.pandas
    """,
    files="""
    builtins.open io.open io.FileIO codecs.open os.* shutil.* tempfile.* glob.* fnmatch.filter zipfile.* tarfile.* gzip.* bz2.*
    lzma.* pickle.* shelve.* dbm.* sqlite3.* csv.* json.dump json.load configparser.* fileinput.* linecache.* mmap.* joblib.*
    pathlib.Path.cwd pathlib.Path.home
    numpy.load numpy.save numpy.savez numpy.savez_compressed numpy.savetxt numpy.loadtxt numpy.genfromtxt numpy.fromfile
    numpy.memmap numpy.DataSource numpy.lib.npyio.* numpy.lib.format.* numpy.ctypeslib.* numpy.f2py.*
    pandas.read_* pandas.ExcelFile pandas.ExcelWriter pandas.HDFStore pandas.io.* pandas.to_pickle pandas.read_pickle
    polars.read_* polars.scan_* polars.SQLContext* polars.sql pyarrow.csv.* pyarrow.parquet.* pyarrow.feather.* pyarrow.fs.* pyarrow.ipc.*
    pyarrow.dataset.* pyarrow.json.* pyarrow.orc.* pyarrow.OSFile pyarrow.memory_map pyarrow.output_stream pyarrow.input_stream
    scipy.io.* scipy.datasets.* scipy.sparse.save_npz scipy.sparse.load_npz statsmodels.iolib.* statsmodels.api.load
    sklearn.datasets.load_svmlight* sklearn.datasets.dump_svmlight* sklearn.datasets.load_files xarray.open_* xarray.load_* xarray.save_*
    matplotlib.pyplot.savefig matplotlib.pyplot.imsave matplotlib.pyplot.imread matplotlib.image.* matplotlib.animation.*
    matplotlib.backends.* matplotlib.cbook.get_sample_data matplotlib.pyplot.plotfile matplotlib.font_manager.*
    plotly.io.write_* plotly.io.read_* plotly.offline.plot bokeh.io.save bokeh.io.output_file bokeh.plotting.save
    bokeh.plotting.output_file bokeh.io.export* PIL.Image.open networkx.read_* networkx.write_* geopandas.read_* geopandas.tools.*
    dask.dataframe.* plotnine.ggsave plotnine.save_as_pdf_pages IPython.display.Image IPython.display.Audio IPython.display.Video
    IPython.display.SVG IPython.display.FileLink* joblib.dump joblib.load xgboost.DMatrix lightgbm.Dataset duckdb.* ibis.*
    """,
    network="""
    socket.* ssl.* http.* urllib.request.* urllib3.* requests.* httpx.* httpx2.* aiohttp.* websockets.* ftplib.* smtplib.*
    imaplib.* poplib.* telnetlib.* xmlrpc.* paramiko.* boto3.* google.* azure.* openai.* anthropic.* huggingface_hub.* datasets.*
    yfinance.* pandas_datareader.* wbgapi.* kagglehub.* sqlalchemy.* psycopg.* psycopg2.* pymongo.* redis.* pysftp.* fsspec.*
    s3fs.* gcsfs.* webbrowser.* IPython.display.IFrame IPython.display.YouTubeVideo sklearn.datasets.fetch_* seaborn.load_dataset
    seaborn.get_dataset_names statsmodels.datasets.get_rdataset statsmodels.api.datasets.get_rdataset plotly.express.set_mapbox_access_token
    vega_datasets.* folium.* plotly.plotly.* chart_studio.* nltk.* spacy.* torch.hub.* torchvision.datasets.*
    """,
    installs="pip.* piplite.* micropip.* conda.* ensurepip.* venv.* setuptools.*",
    shell="""
    subprocess.* os.system os.popen os.exec* os.spawn* os.fork* os.kill os.killpg os.posix_spawn* os.startfile pty.* pexpect.* sh.*
    multiprocessing.* concurrent.futures.* threading.* asyncio.* signal.* ctypes.* cffi.* commands.* fabric.* plumbum.*
    """,
    hidden="""
    builtins.exec builtins.eval builtins.compile builtins.__import__ builtins.globals builtins.locals builtins.vars builtins.dir
    builtins.setattr builtins.delattr builtins.getattr builtins.input builtins.exit builtins.quit builtins.breakpoint
    builtins.__build_class__ importlib.* runpy.* code.* codeop.* inspect.* types.* builtins.get_ipython IPython.* ipykernel.*
    sys.* atexit.* site.* imp.* pkgutil.* marshal.* dill.* cloudpickle.* operator.call pandas.eval pandas.core.* pandas._libs.*
    numpy.vectorize numpy.frompyfunc numpy.apply_along_axis numpy.apply_over_axes numpy.fromfunction numpy.piecewise
    numpy.testing.* numpy.distutils.* numpy.core.* numpy._core.* pandas.testing.* pandas.util.* pandas.plotting.register* sympy.sympify
    sympy.parse* sympy.lambdify claude_jupyter.* weakref.* collections.namedtuple enum.EnumMeta* functools.singledispatch
    typing.NewType sys.exit os._exit os.abort faulthandler.* tracemalloc.* unittest.* pytest.* doctest.* bdb.* pdb.* trace.* dis.*
    """,
)  # fmt: skip

METHODS: Mapping[str, Kind] = _table(
    pure="""
    capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha isascii isdecimal
    isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip maketrans partition
    removeprefix removesuffix rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title
    translate upper zfill decode hex bit_length as_integer_ratio is_integer conjugate most_common elements issubset issuperset
    isdisjoint union intersection difference symmetric_difference fromkeys _asdict total_seconds isoformat strftime timestamp
    date time weekday isoweekday isocalendar astimezone utcoffset timetuple toordinal ctime dst tzname quantize
    match search fullmatch findall finditer sub subn group groups groupdict span start end
    abs agg aggregate align all any argmax argmin argsort asfreq asof assign astype at_time autocorr between between_time bfill
    clip combine combine_first compare convert_dtypes copy corr corrwith cov crosstab cummax cummin cumprod cumsum cut describe diff
    div divide dot drop_duplicates dropna duplicated eq equals ewm expanding explode factorize ffill fillna filter floordiv
    ge get_group get_dummies groupby gt hist idxmax idxmin infer_objects interpolate isin isna isnull item
    items iterrows itertuples join keys kurt kurtosis last last_valid_index first first_valid_index le lt mad map mask max mean median melt
    memory_usage merge min mod mode mul multiply ne nlargest notna notnull nsmallest ngroup nunique pad pct_change pivot pivot_table
    plot pow prod product qcut quantile radd rank rdiv reindex reindex_like rename rename_axis reorder_levels
    replace resample reset_index rmod rmul rolling round rpow rsub rtruediv sample select_dtypes sem set_axis set_index shift skew
    sort_index sort_values stack std sub subtract sum swaplevel to_dict to_frame to_list to_numpy to_period to_records to_timestamp
    tolist transform truediv truncate tz_convert tz_localize unique unstack value_counts var where xs droplevel nth ngroups
    cumcount size tail head boxplot info isocalendar normalize floor ceil day_name month_name total_seconds contains extract
    extractall get len lower pad repeat slice strip cat wrap get_level_values get_loc get_indexer searchsorted
    to_datetime to_timedelta to_string to_markdown to_html to_latex style background_gradient bar format highlight_max highlight_min
    format hide set_caption set_properties set_table_styles apply_index bands sum
    argpartition argwhere byteswap choose compress cumprod flatten nonzero ptp take trace round tobytes dumps mean conj
    select with_columns with_row_index group_by group_by_dynamic group_by_rolling lazy collect_schema filter unpivot alias
    over is_in is_null is_not_null is_between n_unique null_count str dt list len sum_horizontal cast over drop_nulls fill_null fill_nan
    limit top_k bottom_k rolling_mean rolling_sum join_asof partition_by to_dummies to_dicts to_pandas rows row iter_rows glimpse
    is_duplicated is_unique estimated_size upsample to_list implode arg_max arg_min when then otherwise n_chunks drop
    predict predict_proba predict_log_proba decision_function score transform get_params summary conf_int pvalues f_test t_test
    wald_test forecast get_prediction summary_frame cdf pdf pmf ppf sf isf rvs logpdf interval stats expect entropy
    inverse_transform get_feature_names_out kneighbors apply_ufunc sel isel to_dataset to_dataarray to_array
    mark_bar mark_line mark_point mark_area mark_circle mark_rect mark_text mark_tick mark_boxplot mark_rule encode properties
    facet interactive transform_filter transform_calculate transform_aggregate configure_axis configure_title configure_legend resolve_scale
    add_params to_json show display as_py num_rows num_columns column column_names total_bounds
    nodes edges degree neighbors has_node has_edge
    with_suffix with_name with_stem relative_to joinpath as_posix is_absolute is_relative_to as_uri parts
    """,
    view="""
    iloc loc at iat values array T columns index dtypes get transpose ravel reshape squeeze swapaxes view diagonal flat real imag
    swapaxes items values keys to_numpy tolist pipe apply applymap map pop_ get_group set_flags isel sel to_arrow to_physical
    collect get_figure get_axes get_legend get_xaxis get_yaxis gca add_subplot subplots twinx twiny add_axes inset_axes
    get_column get_columns to_series to_struct struct clone slice head tail rechunk set_sorted fetch
    groupby rolling expanding ewm resample style str dt cat lazy iterrows itertuples group_by group_by_dynamic iter_rows
    """,
    changes="""
    append extend insert pop popitem remove clear update add discard sort reverse setdefault appendleft extendleft popleft rotate
    intersection_update difference_update symmetric_difference_update subtract move_to_end __setitem__ __delitem__ __setattr__ __iadd__
    fill put itemset resize setflags setfield sort partition isetitem set_value insert_column replace_column
    drop_in_place hstack vstack shrink_to_fit set_at_idx scatter fit fit_transform fit_predict partial_fit set_params fit_resample
    seed shuffle set_state send throw close cancel register
    """,
    files="""
    to_csv to_excel to_parquet to_feather to_pickle to_hdf to_sql to_stata to_orc to_xml to_gbq to_clipboard to_file to_netcdf to_zarr
    write_csv write_parquet write_ipc write_json write_ndjson write_excel write_database write_avro write_delta sink_csv sink_parquet
    sink_ipc sink_ndjson tofile dump savefig save write_html write_image write_json write_text write_bytes read_text read_bytes
    read readline readlines write writelines flush seek truncate open mkdir rmdir unlink touch symlink_to hardlink_to chmod lchmod
    iterdir glob rglob exists is_file is_dir stat lstat resolve expanduser absolute samefile owner
    read_csv read_parquet extractall extract_ writestr namelist execute executemany executescript commit fetchall fetchone fetchmany
    sql query_df from_csv_auto imsave export_png save_model load_model load
    """,
    network="request post put_ patch urlopen urlretrieve connect sendall recv download upload fetch_json download_file sendmail",
    shell="run_cell system getoutput run_line_magic run_cell_magic check_output check_call Popen communicate",
    hidden="""
    exec pipe_ __getattribute__ __getattr__ __call__ __reduce__ __reduce_ex__ __subclasses__ mro __init_subclass__ __class_getitem__
    compute persist map_partitions map_blocks map_batches map_elements map_rows map_groups set_option
    """,
)  # fmt: skip

PLOTTING = frozenset(
    words(
        """
    acorr angle_spectrum annotate arrow autoscale axhline axhspan axis axline axvline axvspan bar bar_label barbs barh boxplot
    broken_barh bxp cohere colorbar contour contourf csd ecdf errorbar eventplot fill fill_between fill_betweenx grid hexbin hist
    hist2d hlines imshow invert_xaxis invert_yaxis legend loglog magnitude_spectrum margins matshow minorticks_off minorticks_on
    pcolor pcolormesh phase_spectrum pie plot plot_date plot_surface plot_wireframe polar psd quiver quiverkey relim scatter
    scatter3D secondary_xaxis secondary_yaxis semilogx semilogy set set_aspect set_axis_off set_axis_on set_axisbelow
    set_facecolor set_prop_cycle set_title set_xbound set_xlabel set_xlim set_xmargin set_xscale set_xticklabels set_xticks
    set_ybound set_ylabel set_ylim set_ymargin set_yscale set_yticklabels set_yticks set_zlabel set_zlim specgram spy stackplot
    stairs stem step streamplot suptitle supxlabel supylabel table text tick_params ticklabel_format tight_layout tricontour
    tricontourf tripcolor triplot violinplot vlines xcorr set_size_inches subplots_adjust autofmt_xdate set_constrained_layout
    set_tight_layout set_layout_engine align_ylabels align_xlabels set_major_formatter set_major_locator set_minor_formatter
    set_minor_locator set_visible set_color set_linewidth set_alpha set_label set_rotation set_ha set_va set_fontsize set_position
    set_linestyle set_marker update_layout update_traces update_xaxes update_yaxes add_trace add_traces add_hline add_vline
    add_hrect add_vrect add_annotation add_shape add_bar add_scatter add_histogram update_coloraxes for_each_trace
    for_each_annotation line circle vbar hbar segment patch patches square varea harea multi_line rect wedge quad add_layout
    add_tools map map_dataframe set_axis_labels set_titles set_xticklabels add_legend refline map_upper map_lower map_diag
    plot_joint plot_marginals fill_betweenx axes add_artist add_patch add_collection add_line set_theta_zero_location
    set_theta_direction set_rlabel_position
        """
    )
)
"""Methods that draw: they change the figure or axes they are called on and nothing else."""

DRAWING = (
    "matplotlib.pyplot.subplot*", "matplotlib.pyplot.figure", "matplotlib.pyplot.show", *(f"matplotlib.pyplot.{n}" for n in PLOTTING),
    "seaborn.*plot", "seaborn.heatmap", "seaborn.clustermap", "seaborn.*Grid", "plotly.express.*", "plotly.graph_obj*.Figure",
    "altair.Chart", "altair.vegalite.*.Chart", "bokeh.plotting.*figure", "plotnine.*ggplot", "plotnine.*qplot",
)  # fmt: skip
"""Functions that begin a plot: what the cell adds to the notebook, besides names."""

SAFE_TYPES = (
    "builtins", "numpy", "pandas", "polars", "pyarrow", "matplotlib", "mpl_toolkits", "seaborn", "plotly", "altair", "bokeh", "plotnine",
    "scipy", "sklearn", "statsmodels", "xarray", "datetime", "decimal", "fractions", "collections", "pathlib", "PIL", "re", "uuid",
    "zoneinfo", "dateutil", "pytz", "enum", "types", "functools", "itertools", "shapely", "geopandas", "networkx", "sympy", "random",
    "narwhals", "array", "ipaddress", "string", "operator", "math", "datetime", "traceback", "tqdm", "_thread", "_io",
)  # fmt: skip
"""Top packages whose objects run no code of the user's when an attribute of theirs is read or they are in an expression."""

LIBRARIES = frozenset(name.partition(".")[0] for name in FUNCTIONS) | {
    "__future__",
    "warnings",
    "logging",
    "io",
    "csv",
}
"""Modules whose import is known to change nothing but what is loaded."""

LINE_MAGICS: Mapping[str, Kind] = _table(
    pure="time timeit prun capture matplotlib who whos who_ls pinfo pinfo2 pdoc psource precision pwd lsmagic history hist colors config_",
    changes="env set_env reset reset_selective xdel xmode autoawait autoreload aimport config logstart logstop alias unalias store",
    files="cd load loadpy run save writefile edit notebook ls cat mkdir rmdir rm cp mv pushd popd bookmark pycat less more",
    installs="pip conda mamba micromamba uv",
    shell="system sx sc bash sh script ruby perl",
)
CELL_MAGICS: Mapping[str, Kind] = _table(
    pure="time timeit capture prun",
    files="writefile file",
    shell="bash sh script ! sx system cmd powershell ruby perl python python2 python3 pypy",
    hidden="js javascript html svg latex markdown",
)
"""Magics by what they do; under a `pure` one the rest of its line or cell is looked at as code."""
