"""Names of the files in the folder of every job; fixed, so that equal jobs have equal folders."""

STRUCTURES = 'structures.parquet'
TRAINING = 'training.parquet'
CANDIDATES = 'candidates.parquet'
SETTINGS = 'settings.json'
OUTPUT = 'output.parquet'
TRAINED = 'trained.almtp'
REPORT = 'report.json'
RESULTS = 'results'  # folder with one file for each structure DFT is done with
