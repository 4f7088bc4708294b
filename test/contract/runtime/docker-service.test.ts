import { describeRuntimeContract } from './contract.ts';
import { dockerServiceUnderTest } from './docker-bed.ts';

describeRuntimeContract('DockerService in process', { setUp: dockerServiceUnderTest });
