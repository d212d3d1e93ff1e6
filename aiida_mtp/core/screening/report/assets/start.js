// Begins when the page is there.

const dialog = new PhaseDialog();
const figure = document.querySelector('figure.hull');
const hull = figure && new HullFigure(figure, dialog);

for (const button of document.querySelectorAll('button[data-phase]')) {
  button.addEventListener('click', () => dialog.show(scene.phases[Number(button.dataset.phase)]));
}

// Paper has the colours of the light.
addEventListener('beforeprint', () => { root.classList.add('print'); hull?.draw(); });
addEventListener('afterprint', () => { root.classList.remove('print'); hull?.draw(); });
