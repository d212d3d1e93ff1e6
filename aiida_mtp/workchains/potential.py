"""Work chains that relax with a potential and train it further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida.orm import Int, to_aiida_type

from aiida_mtp.calculations.base import settings_input
from aiida_mtp.calculations.set_functions import split_structures
from aiida_mtp.core.relax.settings import RelaxSettings
from aiida_mtp.core.training.settings import TrainingSettings
from aiida_mtp.workchains.jobs import EngineWorkChain

if TYPE_CHECKING:
    from aiida_mtp.data.structures import StructureSetData


class PotentialWorkChain(EngineWorkChain):
    """A work chain whose context holds a `potential` and its `training_set`.

    How it relaxes and trains are inputs, the same ones wherever it is done.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define the inputs of relaxations and trainings."""
        super().define(spec)
        settings_input(
            spec, 'relax', RelaxSettings, 'Of relaxations with the potential. See `RelaxSettings`.'
        )
        settings_input(spec, 'train', TrainingSettings, 'Of the training. See `TrainingSettings`.')
        cls.number_input(spec, 'shard_size', Int, 5000, 'Structures per relaxation job.')
        cls.number_input(spec, 'seed', Int, 0, 'Seed of everything random.')

    @staticmethod
    def number_input(spec: Any, name: str, node: type, default: float, text: str) -> None:
        """Define an input that is a number."""
        spec.input(
            name,
            valid_type=node,
            serializer=to_aiida_type,
            default=lambda: node(default),
            help=text,
        )

    def _queue_relaxations(self, structures: StructureSetData, label: str) -> None:
        """Put relaxations with the potential into the queue, one job per shard."""
        shards = [structures]
        if len(structures) > self.inputs.shard_size.value:
            pieces = split_structures(structures, self.inputs.shard_size)
            shards = [pieces[key] for key in sorted(pieces)]
        for index, shard in enumerate(shards):
            self._queue(
                'mtp.relax',
                f'{label}_{index}',
                structures=shard,
                potential=self.ctx.potential,
                parameters=self.inputs.relax,
            )

    def _queue_training(self, label: str, **inputs: Any) -> None:
        """Put a training into the queue, from a potential or from level and cutoff of a new one."""
        usual = {'parameters': self.inputs.train, 'seed': self.inputs.seed}
        self._queue('mtp.train', label, structures=self.ctx.training_set, **{**usual, **inputs})
