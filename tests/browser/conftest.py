"""Debian's chromium without a window, and pages in it."""

import shutil
from pathlib import Path

import pytest

from aiida_mtp.core.screening.report import write_report


@pytest.fixture(scope='session')
def driver(tmp_path_factory):
    """The browser, for all tests; they are skipped where there is none."""
    programs = {name: shutil.which(name) for name in ('chromium', 'chromedriver')}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        pytest.skip(f'no {" nor ".join(missing)}: apt-get install chromium chromium-driver')
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = programs['chromium']
    for word in ('headless=new', 'no-sandbox', 'disable-gpu', 'disable-dev-shm-usage'):
        options.add_argument(f'--{word}')
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    service = webdriver.ChromeService(programs['chromedriver'])
    with webdriver.Chrome(options=options, service=service) as browser:
        browser.downloads = tmp_path_factory.mktemp('downloads')
        browser.execute_cdp_cmd(
            'Browser.setDownloadBehavior',
            {'behavior': 'allow', 'downloadPath': str(browser.downloads)},
        )
        yield browser


@pytest.fixture
def show(driver, tmp_path):
    """Write a report and open it, by default at the width of a desk and in the light."""

    def opened(report, width=1280, scheme='light'):
        path = Path(tmp_path) / 'report.html'
        write_report(path, report)
        size = {'width': width, 'height': 900, 'deviceScaleFactor': 1, 'mobile': width < 600}
        driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)
        features = [{'name': 'prefers-color-scheme', 'value': scheme}]
        driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': features})
        driver.get_log('browser')  # what earlier pages have said
        driver.get(path.as_uri())
        return driver

    return opened
